-- Version 4. Results of pure attempts, found by what they depend on; keys by which callers know runs.

-- What the caller named it; NULL = it was not named.
ALTER TABLE run ADD COLUMN key TEXT;
CREATE UNIQUE INDEX run_of_key ON run (tenant, key) WHERE key IS NOT NULL;

-- A hint: the event of that number tells the result, and its artifacts may be gone.
CREATE TABLE memo (
    tenant TEXT NOT NULL,
    key    BLOB NOT NULL CHECK (length(key) = 32),
    run    BLOB NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (tenant, key),
    FOREIGN KEY (tenant, run) REFERENCES run (tenant, run)
) STRICT, WITHOUT ROWID;
