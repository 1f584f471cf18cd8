-- Version 3. Runs that other runs started, and what other processes ask of whoever works on a run.

-- The run that started it; NULL = a person did. The journal says the same, but lists would have to read it.
ALTER TABLE run ADD COLUMN parent BLOB CHECK (parent IS NULL OR length(parent) = 16);

-- A row is removed in the commit that says in the journal what became of it. `bytes` is JSON.
CREATE TABLE request (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    run    BLOB NOT NULL,
    bytes  BLOB NOT NULL,
    FOREIGN KEY (tenant, run) REFERENCES run (tenant, run)
) STRICT;

CREATE INDEX request_of_run ON request (tenant, run);
