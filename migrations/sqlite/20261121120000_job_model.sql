-- The job model: blockers, deduplication, lineage, external jobs, schedules, pauses, replays.
-- What each column means is said in the Postgres migration of the same number.

-- SQLite cannot drop NOT NULL from a column, so both tables are made again. `job_type` goes first and
-- comes last, because it refers to `deployment`.
CREATE TABLE job_type_before AS SELECT * FROM job_type;
DROP TABLE job_type;
CREATE TABLE deployment_after (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    component BLOB REFERENCES component (digest),
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    specs TEXT NOT NULL
) STRICT;
INSERT INTO deployment_after SELECT id, component, name, created_at, specs FROM deployment;
DROP TABLE deployment;
ALTER TABLE deployment_after RENAME TO deployment;
CREATE INDEX deployment_component ON deployment (component);
CREATE TABLE job_type (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    deployment BLOB NOT NULL REFERENCES deployment (id),
    component BLOB REFERENCES component (digest),
    deployed_at INTEGER NOT NULL,
    spec TEXT NOT NULL,
    external_deadline_ms INTEGER CHECK (external_deadline_ms > 0),
    CHECK ((component IS NULL) = (external_deadline_ms IS NOT NULL))
) STRICT;
INSERT INTO job_type (id, name, deployment, component, deployed_at, spec)
SELECT id, name, deployment, component, deployed_at, spec FROM job_type_before;
DROP TABLE job_type_before;

ALTER TABLE session ADD COLUMN types TEXT;

ALTER TABLE job_live ADD COLUMN snoozed_ms INTEGER NOT NULL DEFAULT 0 CHECK (snoozed_ms >= 0);
ALTER TABLE job_live ADD COLUMN deadline_at INTEGER;
ALTER TABLE job_live ADD COLUMN deadline_ms INTEGER CHECK (deadline_ms > 0);
ALTER TABLE job_live ADD COLUMN blockers INTEGER NOT NULL DEFAULT 0 CHECK (blockers >= 0);
ALTER TABLE job_live ADD COLUMN open_blockers INTEGER NOT NULL DEFAULT 0
    CHECK (open_blockers BETWEEN 0 AND blockers AND (state = 1) = (open_blockers > 0));
ALTER TABLE job_live ADD COLUMN on_blocker_failure INTEGER NOT NULL DEFAULT 0 CHECK (on_blocker_failure BETWEEN 0 AND 2);
ALTER TABLE job_live ADD COLUMN blocking INTEGER NOT NULL DEFAULT 0 CHECK (blocking IN (0, 1));
ALTER TABLE job_live ADD COLUMN keyed INTEGER NOT NULL DEFAULT 0 CHECK (keyed IN (0, 1));
CREATE INDEX job_live_deadline ON job_live (deadline_at) WHERE deadline_at IS NOT NULL AND state = 4;

ALTER TABLE job_body ADD COLUMN root_chain BLOB CHECK (length(root_chain) = 16);
ALTER TABLE job_body ADD COLUMN depth INTEGER CHECK ((depth IS NULL) = (root_chain IS NULL) AND coalesce(depth, 1) > 0);
ALTER TABLE job_body ADD COLUMN parent_job BLOB CHECK (length(parent_job) = 16);
ALTER TABLE job_body ADD COLUMN completion_token BLOB CHECK (length(completion_token) = 16);
ALTER TABLE job_body ADD COLUMN unchecked INTEGER CHECK (unchecked IN (0, 1));
ALTER TABLE job_body ADD COLUMN on_blocker_failure INTEGER CHECK (on_blocker_failure BETWEEN 1 AND 2);

CREATE INDEX job_done_dead ON job_done (state, id) WHERE state IN (12, 13);

CREATE TABLE job_blocker (
    job_id BLOB NOT NULL CHECK (length(job_id) = 16),
    position INTEGER NOT NULL CHECK (position >= 0),
    chain_id BLOB NOT NULL CHECK (length(chain_id) = 16),
    closed_by BLOB CHECK (length(closed_by) = 16),
    overridden INTEGER NOT NULL DEFAULT 0 CHECK (overridden IN (0, 1)),
    PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_blocker_chain ON job_blocker (chain_id);

CREATE TABLE closure (
    chain_id BLOB NOT NULL PRIMARY KEY CHECK (length(chain_id) = 16),
    job_id BLOB NOT NULL CHECK (length(job_id) = 16),
    state INTEGER NOT NULL CHECK (state IN (10, 12, 13)),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE chain_key (
    type_id INTEGER NOT NULL,
    key TEXT NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
    chain_id BLOB NOT NULL CHECK (length(chain_id) = 16),
    started_at INTEGER NOT NULL,
    open INTEGER NOT NULL DEFAULT 1 CHECK (open IN (0, 1)),
    PRIMARY KEY (type_id, key, chain_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX chain_key_open ON chain_key (type_id, key) WHERE open;
CREATE INDEX chain_key_chain ON chain_key (chain_id);

CREATE TABLE lineage (
    root_chain BLOB NOT NULL PRIMARY KEY CHECK (length(root_chain) = 16),
    descendants INTEGER NOT NULL CHECK (descendants >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE pause (
    type_id INTEGER PRIMARY KEY,
    paused_at INTEGER NOT NULL,
    until INTEGER,
    actor TEXT NOT NULL,
    note TEXT
) STRICT;

CREATE TABLE schedule (
    name TEXT NOT NULL PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 128),
    type_id INTEGER NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN -100 AND 100),
    paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    next_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    last_chain BLOB CHECK (length(last_chain) = 16),
    spec TEXT NOT NULL,
    input TEXT NOT NULL CHECK (octet_length(input) <= 16777216)
) STRICT;

CREATE INDEX schedule_due ON schedule (next_at) WHERE NOT paused AND next_at IS NOT NULL;

CREATE TABLE schedule_fire (
    schedule TEXT NOT NULL,
    at INTEGER NOT NULL,
    result INTEGER NOT NULL CHECK (result BETWEEN 1 AND 5),
    chain_id BLOB CHECK (length(chain_id) = 16),
    note TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (schedule, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE replay (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    created_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    note TEXT,
    filter TEXT NOT NULL
) STRICT;
CREATE TABLE replay_job (
    replay_id BLOB NOT NULL REFERENCES replay (id) ON DELETE CASCADE,
    job_id BLOB NOT NULL CHECK (length(job_id) = 16),
    state INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    failure TEXT,
    PRIMARY KEY (replay_id, job_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX replay_job_job ON replay_job (job_id);
