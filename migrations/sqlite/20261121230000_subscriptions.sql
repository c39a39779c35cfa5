-- Subscriptions to events, and the events that are on their way to their receivers. What each column means is said in the
-- Postgres migration of the same number.
CREATE TABLE subscription (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT NOT NULL UNIQUE CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 64),
    url TEXT NOT NULL CHECK (length(CAST(url AS BLOB)) BETWEEN 1 AND 2048),
    kinds INTEGER NOT NULL CHECK (kinds BETWEEN 1 AND 15),
    type_id INTEGER,
    thresholds TEXT NOT NULL,
    actor TEXT NOT NULL CHECK (length(CAST(actor AS BLOB)) BETWEEN 1 AND 128),
    created_at INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 3),
    lease INTEGER NOT NULL DEFAULT 0,
    leased_until INTEGER,
    next_at INTEGER NOT NULL,
    delivered_at INTEGER,
    failed_at INTEGER,
    failure TEXT,
    checked_at INTEGER NOT NULL DEFAULT 0,
    episodes TEXT NOT NULL DEFAULT '[]'
) STRICT, WITHOUT ROWID;

CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription BLOB NOT NULL CHECK (length(subscription) = 16),
    kind INTEGER NOT NULL CHECK (kind IN (1, 2, 4, 8)),
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
    delivered_at INTEGER
) STRICT;
CREATE INDEX delivery_waiting ON delivery (subscription, id) WHERE state = 1;
CREATE INDEX delivery_dead ON delivery (subscription, id) WHERE state = 3;
CREATE INDEX delivery_subscription ON delivery (subscription, id);
CREATE INDEX delivery_at ON delivery (at);
