-- Version 4. Results of pure attempts, found by what they depend on.

-- A hint: the event of that number tells the result, and its artifacts may be gone.
CREATE TABLE memo (
    tenant TEXT NOT NULL,
    key    BLOB NOT NULL CHECK (length(key) = 32),
    run    BLOB NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (tenant, key),
    FOREIGN KEY (tenant, run) REFERENCES run (tenant, run)
) STRICT, WITHOUT ROWID;
