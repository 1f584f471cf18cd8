-- Version 6. The audit log: entries, the tree over them, and its signed states. Nothing here is ever changed or removed.

-- `bytes` is a leaf, `hash` its hash (RFC 6962).
CREATE TABLE audit_entry (
    tenant TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number >= 0),
    bytes  BLOB NOT NULL,
    hash   BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant, number)
) STRICT, WITHOUT ROWID;

-- The roots of complete subtrees: of the entries `number << level` up to `(number + 1) << level`.
CREATE TABLE audit_node (
    tenant TEXT NOT NULL,
    level  INTEGER NOT NULL CHECK (level > 0),
    number INTEGER NOT NULL CHECK (number >= 0),
    hash   BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant, level, number)
) STRICT, WITHOUT ROWID;

-- Checkpoints as they were signed: notes.
CREATE TABLE audit_checkpoint (
    tenant TEXT NOT NULL,
    size   INTEGER NOT NULL CHECK (size > 0),
    note   TEXT NOT NULL,
    PRIMARY KEY (tenant, size)
) STRICT, WITHOUT ROWID;
