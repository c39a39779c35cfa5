-- Components, types, sessions and jobs. Times are microseconds since 1970, ids are 16 bytes.
-- What each column means is said in the Postgres migration of the same number; the two differ only
-- where the databases do: no schema, no partitions.

CREATE TABLE component (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    name TEXT NOT NULL,
    size_bytes INTEGER NOT NULL CHECK (size_bytes = length(bytes)),
    created_at INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE deployment (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    component BLOB NOT NULL REFERENCES component (digest),
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    specs TEXT NOT NULL
) STRICT;
CREATE INDEX deployment_component ON deployment (component);

CREATE TABLE job_type (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    deployment BLOB NOT NULL REFERENCES deployment (id),
    component BLOB NOT NULL REFERENCES component (digest),
    deployed_at INTEGER NOT NULL,
    spec TEXT NOT NULL
) STRICT;

-- AUTOINCREMENT: a session's number is never used twice, for lease tokens carry it.
CREATE TABLE session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    host TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    lease_duration_ms INTEGER NOT NULL CHECK (lease_duration_ms > 0),
    dead INTEGER NOT NULL DEFAULT 0 CHECK (dead IN (0, 1))
) STRICT;

CREATE TABLE job_live (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    chain_id BLOB NOT NULL CHECK (length(chain_id) = 16),
    lease_token INTEGER,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    claimed_at INTEGER,
    type_id INTEGER NOT NULL,
    run INTEGER NOT NULL DEFAULT 0 CHECK (run >= 0),
    snoozes INTEGER NOT NULL DEFAULT 0 CHECK (snoozes >= 0),
    attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt BETWEEN 0 AND 32767),
    rescues INTEGER NOT NULL DEFAULT 0 CHECK (rescues BETWEEN 0 AND 32767),
    priority INTEGER NOT NULL CHECK (priority BETWEEN -100 AND 100),
    state INTEGER NOT NULL CHECK (state IN (1, 2, 3, 4, 5)),
    CHECK ((state = 5) = (lease_token IS NOT NULL)),
    CHECK (state <> 5 OR claimed_at IS NOT NULL)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX job_live_chain ON job_live (chain_id);
CREATE INDEX job_live_ready ON job_live (type_id, priority, due_at, id) WHERE state = 4;
CREATE INDEX job_live_due ON job_live (due_at) WHERE state = 2;
CREATE INDEX job_live_running ON job_live (lease_token >> 32) WHERE state = 5;

CREATE TABLE job_body (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    input TEXT NOT NULL CHECK (octet_length(input) <= 16777216),
    limits TEXT,
    trace_parent TEXT CHECK (octet_length(trace_parent) <= 256)
) STRICT;

CREATE TABLE job_done (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    chain_id BLOB NOT NULL CHECK (length(chain_id) = 16),
    lease_token INTEGER,
    continued_to BLOB CHECK (length(continued_to) = 16),
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER NOT NULL,
    wall_us INTEGER CHECK (wall_us >= 0),
    cpu_us INTEGER CHECK (cpu_us >= 0),
    fuel INTEGER CHECK (fuel >= 0),
    memory_bytes_peak INTEGER CHECK (memory_bytes_peak >= 0),
    output_bytes INTEGER CHECK (output_bytes >= 0),
    log_bytes INTEGER CHECK (log_bytes >= 0),
    log_bytes_dropped INTEGER CHECK (log_bytes_dropped >= 0),
    type_id INTEGER NOT NULL,
    run INTEGER NOT NULL CHECK (run >= 0),
    snoozes INTEGER NOT NULL CHECK (snoozes >= 0),
    attempt INTEGER NOT NULL CHECK (attempt >= 0),
    rescues INTEGER NOT NULL CHECK (rescues >= 0),
    priority INTEGER NOT NULL,
    state INTEGER NOT NULL CHECK (state IN (10, 11, 12, 13)),
    outcome INTEGER NOT NULL,
    output TEXT CHECK (octet_length(output) <= 16777216),
    failure TEXT,
    log TEXT,
    CHECK ((state = 10) = (output IS NOT NULL)),
    CHECK ((state = 11) = (continued_to IS NOT NULL))
) STRICT;
CREATE INDEX job_done_type ON job_done (type_id, id);
CREATE INDEX job_done_chain ON job_done (chain_id) WHERE chain_id <> id;

CREATE TABLE job_attempt (
    job_id BLOB NOT NULL CHECK (length(job_id) = 16),
    lease_token INTEGER,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    run INTEGER NOT NULL CHECK (run > 0),
    session INTEGER NOT NULL,
    attempt INTEGER NOT NULL CHECK (attempt > 0),
    outcome INTEGER NOT NULL,
    host TEXT NOT NULL,
    failure TEXT,
    usage TEXT,
    log TEXT,
    progress TEXT,
    PRIMARY KEY (job_id, run)
) STRICT;
