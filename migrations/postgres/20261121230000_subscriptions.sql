-- Subscriptions to events, and the events that are on their way to their receivers.

CREATE TABLE hardstop.subscription (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 64),
    url text NOT NULL CHECK (octet_length(url) BETWEEN 1 AND 2048),
    -- A sum: 1 job.discarded, 2 chain.closed, 4 type.failing, 8 type.stuck.
    kinds int2 NOT NULL CHECK (kinds BETWEEN 1 AND 15),
    -- Null: all types.
    type_id int4,
    -- JSON of hardstop_domain::Thresholds.
    thresholds text NOT NULL,
    actor text NOT NULL CHECK (octet_length(actor) BETWEEN 1 AND 128),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- 1 active, 2 paused, 3 stopped.
    state int2 NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 3),
    -- Counted up by whoever delivers next: what came of a delivery is written only under the lease that it was made under.
    lease int8 NOT NULL DEFAULT 0,
    leased_until timestamptz,
    -- When to deliver next: later than now after a failure.
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    delivered_at timestamptz,
    failed_at timestamptz,
    failure text,
    -- When somebody last looked whether types are failing or stuck, and of which it was told and which still are: JSON
    -- rows of a kind and a type.
    checked_at timestamptz NOT NULL DEFAULT '-infinity',
    episodes text NOT NULL DEFAULT '[]'
) WITH (fillfactor = 50);

-- One row for each event and each subscription that wants it, written by the transaction that the event is of. No foreign
-- key: a settlement must not fail because a subscription was deleted meanwhile.
CREATE TABLE hardstop.delivery (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription uuid NOT NULL,
    kind int2 NOT NULL CHECK (kind IN (1, 2, 4, 8)),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    type_id int4 NOT NULL,
    job_id uuid,
    chain_id uuid,
    job_state int2,
    outcome int2,
    attempt int4,
    -- JSON: what was seen of a type.
    detail text,
    -- 1 waiting, 2 delivered, 3 dead.
    state int2 NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 3),
    failures int4 NOT NULL DEFAULT 0,
    failure text,
    delivered_at timestamptz
);
CREATE INDEX delivery_waiting ON hardstop.delivery (subscription, id) WHERE state = 1;
CREATE INDEX delivery_dead ON hardstop.delivery (subscription, id) WHERE state = 3;
CREATE INDEX delivery_subscription ON hardstop.delivery (subscription, id);
CREATE INDEX delivery_at ON hardstop.delivery (at);
