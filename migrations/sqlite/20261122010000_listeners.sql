-- Listeners: subscriptions that have no name and no URL. What each column means is said in the Postgres migration of the
-- same number. Differs by necessity: both tables are made anew, since SQLite changes no constraints.
CREATE TABLE subscription_next (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT UNIQUE CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 64),
    url TEXT CHECK (length(CAST(url AS BLOB)) BETWEEN 1 AND 2048),
    kinds INTEGER NOT NULL CHECK (kinds BETWEEN 0 AND 127 AND (kinds > 0 OR state = 4)),
    type_id INTEGER,
    thresholds TEXT NOT NULL,
    actor TEXT NOT NULL CHECK (length(CAST(actor AS BLOB)) BETWEEN 1 AND 128),
    created_at INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 4),
    lease INTEGER NOT NULL DEFAULT 0,
    leased_until INTEGER,
    next_at INTEGER NOT NULL,
    delivered_at INTEGER,
    failed_at INTEGER,
    failure TEXT,
    checked_at INTEGER NOT NULL DEFAULT 0,
    episodes TEXT NOT NULL DEFAULT '[]',
    -- A JSON list.
    type_ids TEXT,
    told INTEGER NOT NULL DEFAULT 0,
    heard_at INTEGER,
    CHECK ((state = 4) = (name IS NULL) AND (state = 4) = (url IS NULL) AND (state = 4) = (heard_at IS NOT NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO subscription_next (
    id, name, url, kinds, type_id, thresholds, actor, created_at, state, lease, leased_until, next_at, delivered_at,
    failed_at, failure, checked_at, episodes
)
SELECT id, name, url, kinds, type_id, thresholds, actor, created_at, state, lease, leased_until, next_at, delivered_at,
       failed_at, failure, checked_at, episodes
FROM subscription;
DROP TABLE subscription;
ALTER TABLE subscription_next RENAME TO subscription;

CREATE TABLE delivery_next (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription BLOB NOT NULL CHECK (length(subscription) = 16),
    kind INTEGER NOT NULL CHECK (kind IN (1, 2, 4, 8, 16, 32, 64)),
    at INTEGER NOT NULL,
    type_id INTEGER NOT NULL,
    job_id BLOB CHECK (length(job_id) = 16),
    chain_id BLOB CHECK (length(chain_id) = 16),
    job_state INTEGER,
    outcome INTEGER,
    attempt INTEGER,
    detail TEXT,
    state INTEGER NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 3),
    failures INTEGER NOT NULL DEFAULT 0,
    failure TEXT,
    delivered_at INTEGER,
    position INTEGER
) STRICT;
INSERT INTO delivery_next (
    id, subscription, kind, at, type_id, job_id, chain_id, job_state, outcome, attempt, detail, state, failures, failure,
    delivered_at
)
SELECT id, subscription, kind, at, type_id, job_id, chain_id, job_state, outcome, attempt, detail, state, failures, failure,
       delivered_at
FROM delivery;
-- A number is never given again, not even one whose delivery was forgotten: receivers tell events apart by it.
DELETE FROM sqlite_sequence WHERE name = 'delivery_next';
INSERT INTO sqlite_sequence (name, seq) SELECT 'delivery_next', seq FROM sqlite_sequence WHERE name = 'delivery';
DROP TABLE delivery;
ALTER TABLE delivery_next RENAME TO delivery;
CREATE INDEX delivery_waiting ON delivery (subscription, id) WHERE state = 1;
CREATE INDEX delivery_dead ON delivery (subscription, id) WHERE state = 3;
CREATE INDEX delivery_subscription ON delivery (subscription, id);
CREATE INDEX delivery_at ON delivery (at);
CREATE UNIQUE INDEX delivery_position ON delivery (subscription, position) WHERE position IS NOT NULL;
