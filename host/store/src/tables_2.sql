-- Version 2. What lists of runs show beside the rest, and what attempts used, found by their components.

ALTER TABLE run ADD COLUMN items INTEGER;

-- A hint for estimates: the journal says the same, but not where it is found by a component. `bytes` is JSON.
CREATE TABLE usage (
    tenant    TEXT NOT NULL,
    component BLOB NOT NULL CHECK (length(component) = 32),
    run       BLOB NOT NULL,
    seq       INTEGER NOT NULL,
    bytes     BLOB NOT NULL,
    PRIMARY KEY (tenant, component, run, seq),
    FOREIGN KEY (tenant, run) REFERENCES run (tenant, run)
) STRICT, WITHOUT ROWID;
