-- Version 5. What was removed, and how to find what is to be removed.

-- Artifacts that a person had erased. What comes again under the digest is there again all the same.
CREATE TABLE erased (
    tenant TEXT NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    at_ms  INTEGER NOT NULL,
    PRIMARY KEY (tenant, digest)
) STRICT, WITHOUT ROWID;

-- Files whose rows of `segment` are gone: written with that, removed once the files are.
CREATE TABLE unneeded_file (
    file TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- What foreign keys look for when rows go.
CREATE INDEX artifact_of_items ON artifact (tenant, items);
CREATE INDEX usage_of_run ON usage (tenant, run);
CREATE INDEX memo_of_run ON memo (tenant, run);
