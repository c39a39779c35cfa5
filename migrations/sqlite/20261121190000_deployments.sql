-- Deployments with a history, a canary beside the deployment in force, quarantine, and the larger class of memory.
-- What each column means is said in the Postgres migration of the same number.

ALTER TABLE job_done ADD COLUMN deployment BLOB CHECK (length(deployment) = 16);
ALTER TABLE job_attempt ADD COLUMN deployment BLOB CHECK (length(deployment) = 16);

ALTER TABLE job_live ADD COLUMN larger_memory INTEGER NOT NULL DEFAULT 0 CHECK (larger_memory IN (0, 1));

ALTER TABLE job_type ADD COLUMN canary BLOB REFERENCES deployment (id);
ALTER TABLE job_type ADD COLUMN canary_spec TEXT CHECK ((canary IS NULL) = (canary_spec IS NULL));
ALTER TABLE job_type ADD COLUMN canary_percent INTEGER
    CHECK ((canary IS NULL) = (canary_percent IS NULL) AND canary_percent BETWEEN 1 AND 99);

CREATE TABLE type_event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type_id INTEGER NOT NULL,
    deployment BLOB NOT NULL REFERENCES deployment (id),
    at INTEGER NOT NULL,
    kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 7),
    percent INTEGER CHECK (percent BETWEEN 1 AND 99),
    note TEXT
) STRICT;
CREATE INDEX type_event_type ON type_event (type_id, id);
INSERT INTO type_event (type_id, deployment, at, kind)
SELECT t.id, d.id, d.created_at, 1
FROM deployment d, json_each(d.specs) s
JOIN job_type t ON t.name = s.value ->> 'name'
ORDER BY d.created_at, d.id;

CREATE TABLE quarantine (
    type_id INTEGER NOT NULL,
    component BLOB NOT NULL REFERENCES component (digest),
    deployment BLOB NOT NULL REFERENCES deployment (id),
    began_at INTEGER NOT NULL,
    released_at INTEGER,
    attempts INTEGER NOT NULL CHECK (attempts > 0),
    faults INTEGER NOT NULL CHECK (faults BETWEEN 1 AND attempts),
    holds INTEGER NOT NULL DEFAULT 0 CHECK (holds IN (0, 1)),
    failure TEXT NOT NULL,
    PRIMARY KEY (type_id, component),
    CHECK (NOT holds OR released_at IS NULL)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt_tally (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type_id INTEGER NOT NULL,
    component BLOB NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts > 0),
    faults INTEGER NOT NULL CHECK (faults BETWEEN 1 AND attempts)
) STRICT;
CREATE INDEX attempt_tally_component ON attempt_tally (type_id, component, id);
