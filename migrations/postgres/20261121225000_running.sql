-- How workers stand, and what attempts say while they run.

ALTER TABLE hardstop.session
    -- As its worker told last: null before it told anything.
    ADD COLUMN slots int4 CHECK (slots >= 0),
    ADD COLUMN slots_used int4 CHECK (slots_used >= 0),
    ADD COLUMN memory_budget int8 CHECK (memory_budget >= 0),
    ADD COLUMN memory_admitted int8 CHECK (memory_admitted >= 0),
    ADD COLUMN draining bool NOT NULL DEFAULT false,
    -- When somebody asked it to drain.
    ADD COLUMN drain_asked_at timestamptz;

-- Parts of the log of an attempt that runs longer than a moment: part 0 has its progress, the others lines of its log as
-- they came. Only what belongs to the lease of a running job is of use: the settlement brings all of it again, and then
-- these rows go. Nothing is lost with them, so they are not logged.
CREATE UNLOGGED TABLE hardstop.attempt_live (
    job_id uuid NOT NULL,
    lease_token int8 NOT NULL,
    part int4 NOT NULL CHECK (part >= 0),
    log text,
    progress text,
    PRIMARY KEY (job_id, lease_token, part)
);
