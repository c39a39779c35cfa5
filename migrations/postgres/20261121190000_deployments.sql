-- Deployments with a history, a canary beside the deployment in force, quarantine, and the larger class of memory.

-- Which deployment an attempt ran. Null for attempts of before, and for what ended without one.
ALTER TABLE hardstop.job_done ADD COLUMN deployment uuid;
ALTER TABLE hardstop.job_attempt ADD COLUMN deployment uuid;

-- Whether the attempts from now on have the larger limit on memory: one before ran out of it.
ALTER TABLE hardstop.job_live ADD COLUMN larger_memory bool NOT NULL DEFAULT false;

-- The deployment that a share of the type's jobs goes to, in percent. `canary_spec` is what it says of the type.
ALTER TABLE hardstop.job_type
    ADD COLUMN canary uuid REFERENCES hardstop.deployment (id),
    ADD COLUMN canary_spec text,
    ADD COLUMN canary_percent int2 CHECK (canary_percent BETWEEN 1 AND 99),
    ADD CHECK ((canary IS NULL) = (canary_spec IS NULL)),
    ADD CHECK ((canary IS NULL) = (canary_percent IS NULL));

-- What became of a type's deployments, one row for each change: 1 deployed, 2 rolled back to, 3 made the canary or
-- given another share, 4 promoted from canary, 5 ended as canary, 6 quarantined, 7 released from quarantine.
CREATE TABLE hardstop.type_event (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type_id int4 NOT NULL,
    deployment uuid NOT NULL REFERENCES hardstop.deployment (id),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind int2 NOT NULL CHECK (kind BETWEEN 1 AND 7),
    percent int2 CHECK (percent BETWEEN 1 AND 99),
    note text
);
CREATE INDEX type_event_type ON hardstop.type_event (type_id, id);
INSERT INTO hardstop.type_event (type_id, deployment, at, kind)
SELECT t.id, d.id, d.created_at, 1
FROM hardstop.deployment d
CROSS JOIN LATERAL jsonb_array_elements(d.specs::jsonb) AS s (spec)
JOIN hardstop.job_type t ON t.name = s.spec ->> 'name'
ORDER BY d.created_at, d.id;

-- Components of a type whose attempts end badly. One that was released stays, to tell from when attempts count again.
-- `holds`: it is in force and not released, and no job of the type is claimed.
CREATE TABLE hardstop.quarantine (
    type_id int4 NOT NULL,
    component bytea NOT NULL REFERENCES hardstop.component (digest),
    deployment uuid NOT NULL REFERENCES hardstop.deployment (id),
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    released_at timestamptz,
    attempts int4 NOT NULL CHECK (attempts > 0),
    faults int4 NOT NULL CHECK (faults BETWEEN 1 AND attempts),
    holds bool NOT NULL DEFAULT false,
    failure text NOT NULL,
    PRIMARY KEY (type_id, component),
    CHECK (NOT holds OR released_at IS NULL)
);

-- How attempts of a type's component ended, a row for what one worker saw in up to a second. A row has a fault at the
-- least: a component that is well leaves none. What no rule can look at any more is removed with the next row.
CREATE TABLE hardstop.attempt_tally (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type_id int4 NOT NULL,
    component bytea NOT NULL,
    attempts int4 NOT NULL CHECK (attempts > 0),
    faults int4 NOT NULL CHECK (faults BETWEEN 1 AND attempts)
);
CREATE INDEX attempt_tally_component ON hardstop.attempt_tally (type_id, component, id);
