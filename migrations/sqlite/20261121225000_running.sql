-- How workers stand, and what attempts say while they run. What each column means is said in the Postgres migration of the
-- same number.
ALTER TABLE session ADD COLUMN slots INTEGER CHECK (slots >= 0);
ALTER TABLE session ADD COLUMN slots_used INTEGER CHECK (slots_used >= 0);
ALTER TABLE session ADD COLUMN memory_budget INTEGER CHECK (memory_budget >= 0);
ALTER TABLE session ADD COLUMN memory_admitted INTEGER CHECK (memory_admitted >= 0);
ALTER TABLE session ADD COLUMN draining INTEGER NOT NULL DEFAULT 0 CHECK (draining IN (0, 1));
ALTER TABLE session ADD COLUMN drain_asked_at INTEGER;

CREATE TABLE attempt_live (
    job_id BLOB NOT NULL CHECK (length(job_id) = 16),
    lease_token INTEGER NOT NULL,
    part INTEGER NOT NULL CHECK (part >= 0),
    log TEXT,
    progress TEXT,
    PRIMARY KEY (job_id, lease_token, part)
) STRICT, WITHOUT ROWID;
