-- Version 7. What calls of models cost and may cost, and what models answered.

-- What was spent at one level, as all calls of an organisation, of a day or of a run. Amounts that are `open` are reserved
-- by calls that go on; `over` is what providers billed beyond what had been reserved. The organisation's tenant is ''.
CREATE TABLE llm_account (
    tenant      TEXT NOT NULL,
    level       TEXT NOT NULL,
    scope       TEXT NOT NULL,
    cost        INTEGER NOT NULL CHECK (cost >= 0),
    tokens      INTEGER NOT NULL CHECK (tokens >= 0),
    calls       INTEGER NOT NULL CHECK (calls >= 0),
    open_cost   INTEGER NOT NULL CHECK (open_cost >= 0),
    open_tokens INTEGER NOT NULL CHECK (open_tokens >= 0),
    over_cost   INTEGER NOT NULL CHECK (over_cost >= 0),
    over_tokens INTEGER NOT NULL CHECK (over_tokens >= 0),
    PRIMARY KEY (tenant, level, scope)
) STRICT, WITHOUT ROWID;

-- One call. `owner` is the file in locks/llm that its process keeps locked. It stays when its run is removed.
CREATE TABLE llm_call (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant          TEXT NOT NULL,
    run             BLOB NOT NULL CHECK (length(run) = 16),
    step            TEXT NOT NULL,
    component       TEXT NOT NULL,
    model           TEXT NOT NULL,
    user            TEXT NOT NULL,
    day             TEXT NOT NULL,
    at_ms           INTEGER NOT NULL,
    owner           TEXT NOT NULL,
    reserved_cost   INTEGER NOT NULL CHECK (reserved_cost >= 0),
    reserved_tokens INTEGER NOT NULL CHECK (reserved_tokens >= 0),
    outcome         TEXT NOT NULL CHECK (outcome IN ('open', 'settled', 'unknown', 'overspent')),
    cost            INTEGER,
    tokens          INTEGER,
    CHECK ((outcome = 'open') = (cost IS NULL) AND (cost IS NULL) = (tokens IS NULL))
) STRICT;

CREATE INDEX llm_call_open ON llm_call (owner) WHERE outcome = 'open';
CREATE INDEX llm_call_of_run ON llm_call (tenant, run);

-- The accounts to which a call counts.
CREATE TABLE llm_charge (
    call   INTEGER NOT NULL REFERENCES llm_call (id),
    tenant TEXT NOT NULL,
    level  TEXT NOT NULL,
    scope  TEXT NOT NULL,
    PRIMARY KEY (call, tenant, level, scope),
    FOREIGN KEY (tenant, level, scope) REFERENCES llm_account (tenant, level, scope)
) STRICT, WITHOUT ROWID;

-- What a model answered, under the digest of all that it was asked. Both are JSON.
CREATE TABLE llm_record (
    tenant  TEXT NOT NULL,
    digest  BLOB NOT NULL CHECK (length(digest) = 32),
    at_ms   INTEGER NOT NULL,
    request BLOB NOT NULL,
    answer  BLOB NOT NULL,
    PRIMARY KEY (tenant, digest)
) STRICT;

-- The runs that asked for it: a record goes with the last of them.
CREATE TABLE llm_record_of_run (
    tenant TEXT NOT NULL,
    run    BLOB NOT NULL CHECK (length(run) = 16),
    digest BLOB NOT NULL,
    PRIMARY KEY (tenant, run, digest),
    FOREIGN KEY (tenant, digest) REFERENCES llm_record (tenant, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX llm_run_of_record ON llm_record_of_run (tenant, digest);
