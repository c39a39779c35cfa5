-- The job model: blockers, deduplication, lineage, external jobs, schedules, pauses, replays.

-- External types have no component, and neither has a deployment that holds nothing else.
ALTER TABLE hardstop.deployment ALTER COLUMN component DROP NOT NULL;
ALTER TABLE hardstop.job_type
    ALTER COLUMN component DROP NOT NULL,
    -- How long an external job waits for its completion. Null: the type has a handler.
    ADD COLUMN external_deadline_ms int8 CHECK (external_deadline_ms > 0),
    ADD CHECK ((component IS NULL) = (external_deadline_ms IS NOT NULL));

-- The types that the process runs, a JSON list of names; null: all.
ALTER TABLE hardstop.session ADD COLUMN types text;

ALTER TABLE hardstop.job_live
    -- How often its handler put it off altogether.
    ADD COLUMN snoozed_ms int8 NOT NULL DEFAULT 0 CHECK (snoozed_ms >= 0),
    -- An external job's deadline, set when it becomes ready, and how long that is from then.
    ADD COLUMN deadline_at timestamptz,
    ADD COLUMN deadline_ms int8 CHECK (deadline_ms > 0),
    -- How many chains it was started with as blockers, and how many of them are still awaited.
    ADD COLUMN blockers int4 NOT NULL DEFAULT 0 CHECK (blockers >= 0),
    ADD COLUMN open_blockers int4 NOT NULL DEFAULT 0 CHECK (open_blockers BETWEEN 0 AND blockers),
    -- What becomes of it when a blocker ends without an output: 0 cancel, 1 run, 2 hold.
    ADD COLUMN on_blocker_failure int2 NOT NULL DEFAULT 0 CHECK (on_blocker_failure BETWEEN 0 AND 2),
    -- Of its chain, so a continuation inherits them: whether jobs may wait for it, whether it holds a key.
    ADD COLUMN blocking bool NOT NULL DEFAULT false,
    ADD COLUMN keyed bool NOT NULL DEFAULT false,
    ADD CHECK ((state = 1) = (open_blockers > 0));
-- External jobs whose completion is awaited.
CREATE INDEX job_live_deadline ON hardstop.job_live (deadline_at) WHERE deadline_at IS NOT NULL AND state = 4;

ALTER TABLE hardstop.job_body
    -- The chain at the root of the lineage, and how many generations below it; null: its own chain.
    ADD COLUMN root_chain uuid,
    ADD COLUMN depth int4 CHECK (depth > 0),
    -- The job whose handler started the chain.
    ADD COLUMN parent_job uuid,
    -- What completes an external job.
    ADD COLUMN completion_token uuid,
    -- Whether nobody has compared the input with the type's schema: it was started through SQL.
    ADD COLUMN unchecked bool,
    -- As on the live row, for a job that is replayed. Null: cancel, or no blockers.
    ADD COLUMN on_blocker_failure int2 CHECK (on_blocker_failure BETWEEN 1 AND 2),
    ADD CHECK ((root_chain IS NULL) = (depth IS NULL));

-- Dead letters, newest first.
CREATE INDEX job_done_dead ON hardstop.job_done (state, id) WHERE state IN (12, 13);

-- Which chains a job waits for, or waited for, in the order in which it gets their outputs.
CREATE TABLE hardstop.job_blocker (
    job_id uuid NOT NULL,
    position int4 NOT NULL CHECK (position >= 0),
    chain_id uuid NOT NULL,
    -- The job whose end closed the chain for this dependent. Null: still awaited, or overridden.
    closed_by uuid,
    -- Whether an operator let the job run without it.
    overridden bool NOT NULL DEFAULT false,
    PRIMARY KEY (job_id, position)
) WITH (fillfactor = 80);
CREATE INDEX job_blocker_chain ON hardstop.job_blocker (chain_id);

-- Chains that closed while jobs waited for them, until the last of those has been told. Written with the
-- end of the chain, so that a crash loses none.
CREATE TABLE hardstop.closure (
    chain_id uuid PRIMARY KEY,
    -- The job whose end closed it, and that job's state.
    job_id uuid NOT NULL,
    state int2 NOT NULL CHECK (state IN (10, 12, 13)),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Deduplication keys. The unique index is the rule: one open chain per type and key.
CREATE TABLE hardstop.chain_key (
    type_id int4 NOT NULL,
    key text NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
    chain_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    open bool NOT NULL DEFAULT true,
    PRIMARY KEY (type_id, key, chain_id)
);
CREATE UNIQUE INDEX chain_key_open ON hardstop.chain_key (type_id, key) WHERE open;
CREATE INDEX chain_key_chain ON hardstop.chain_key (chain_id);

-- How many chains descend from a root, all generations together.
CREATE TABLE hardstop.lineage (
    root_chain uuid PRIMARY KEY,
    descendants int8 NOT NULL CHECK (descendants >= 0)
) WITH (fillfactor = 50);

-- What is not to be claimed. Type 0 is all of them.
CREATE TABLE hardstop.pause (
    type_id int4 PRIMARY KEY,
    paused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When it ends by itself.
    until timestamptz,
    actor text NOT NULL,
    note text
);

CREATE TABLE hardstop.schedule (
    name text PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 128),
    type_id int4 NOT NULL,
    priority int2 NOT NULL CHECK (priority BETWEEN -100 AND 100),
    paused bool NOT NULL DEFAULT false,
    -- When it fires next; null: never again.
    next_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The chain that it started last.
    last_chain uuid,
    -- Timing, overlap and missed-run policy, a JSON object.
    spec text NOT NULL,
    input text NOT NULL CHECK (octet_length(input) <= 16777216)
);

-- The one that is due next is found without a look at all of them.
CREATE INDEX schedule_due ON hardstop.schedule (next_at) WHERE NOT paused AND next_at IS NOT NULL;

-- What became of each time at which a schedule was due. The key lets it fire once.
CREATE TABLE hardstop.schedule_fire (
    schedule text NOT NULL,
    at timestamptz NOT NULL,
    -- 1 started, 2 skipped because the last one still runs, 3 missed, 4 triggered by hand, 5 failed to start.
    result int2 NOT NULL CHECK (result BETWEEN 1 AND 5),
    chain_id uuid,
    note text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (schedule, at)
);

-- Replays of dead letters: who, why, and which jobs.
CREATE TABLE hardstop.replay (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    note text,
    filter text NOT NULL
);
CREATE TABLE hardstop.replay_job (
    replay_id uuid NOT NULL REFERENCES hardstop.replay (id) ON DELETE CASCADE,
    job_id uuid NOT NULL,
    -- What it was before: state, outcome and failure.
    state int2 NOT NULL,
    outcome int2 NOT NULL,
    failure text,
    PRIMARY KEY (replay_id, job_id)
);
CREATE INDEX replay_job_job ON hardstop.replay_job (job_id);
