-- Version 1. Every key begins with the tenant: nothing is found across that boundary.

CREATE TABLE run (
    tenant     TEXT NOT NULL,
    run        BLOB NOT NULL CHECK (length(run) = 16),
    head_seq   INTEGER NOT NULL,
    head_hash  BLOB NOT NULL CHECK (length(head_hash) = 32),
    title      TEXT NOT NULL,
    status     TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms   INTEGER,
    PRIMARY KEY (tenant, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    tenant TEXT NOT NULL,
    run    BLOB NOT NULL,
    seq    INTEGER NOT NULL CHECK (seq > 0),
    kind   TEXT NOT NULL,
    bytes  BLOB NOT NULL,
    hash   BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant, run, seq),
    FOREIGN KEY (tenant, run) REFERENCES run (tenant, run)
) STRICT;

-- Bytes under their digest: here if there are few, else in files, one row of `segment` each.
CREATE TABLE content (
    tenant TEXT NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    length INTEGER NOT NULL,
    lines  INTEGER NOT NULL,
    -- Pairs of (byte, line), 8 bytes each, big-endian: places behind a line feed, from which lines can be counted.
    marks  BLOB NOT NULL,
    bytes  BLOB,
    PRIMARY KEY (tenant, digest)
) STRICT;

CREATE TABLE segment (
    tenant   TEXT NOT NULL,
    digest   BLOB NOT NULL,
    position INTEGER NOT NULL,
    file     TEXT NOT NULL UNIQUE,
    length   INTEGER NOT NULL,
    PRIMARY KEY (tenant, digest, position),
    FOREIGN KEY (tenant, digest) REFERENCES content (tenant, digest)
) STRICT;

CREATE TABLE artifact (
    tenant   TEXT NOT NULL,
    digest   BLOB NOT NULL CHECK (length(digest) = 32),
    schema   TEXT NOT NULL,
    items    BLOB NOT NULL,
    metadata TEXT NOT NULL,
    PRIMARY KEY (tenant, digest),
    FOREIGN KEY (tenant, items) REFERENCES content (tenant, digest)
) STRICT;

CREATE TABLE component (
    tenant   TEXT NOT NULL,
    id       TEXT NOT NULL,
    version  TEXT NOT NULL,
    digest   BLOB NOT NULL CHECK (length(digest) = 32),
    manifest TEXT NOT NULL,
    PRIMARY KEY (tenant, id, version),
    FOREIGN KEY (tenant, digest) REFERENCES content (tenant, digest)
) STRICT;
