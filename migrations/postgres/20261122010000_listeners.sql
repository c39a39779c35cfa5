-- Listeners: subscriptions that have no name and no URL, and live as long as somebody hears their stream. Each delivery is
-- given a place in it. And the kinds of events for every end of a job: 16 job.completed, 32 job.continued, 64 job.cancelled.

ALTER TABLE hardstop.subscription
    ALTER COLUMN name DROP NOT NULL,
    ALTER COLUMN url DROP NOT NULL,
    -- Only of these types; null: of all. A subscription with a URL has `type_id`.
    ADD COLUMN type_ids int4[],
    -- How many events have been given a place.
    ADD COLUMN told int8 NOT NULL DEFAULT 0,
    -- When somebody last heard the stream.
    ADD COLUMN heard_at timestamptz,
    DROP CONSTRAINT subscription_kinds_check,
    DROP CONSTRAINT subscription_state_check,
    -- 4: a listener, which hosts that post leave alone. It has ended once it wants no kinds of events.
    ADD CONSTRAINT subscription_state_check CHECK (state BETWEEN 1 AND 4),
    ADD CONSTRAINT subscription_kinds_check CHECK (kinds BETWEEN 0 AND 127 AND (kinds > 0 OR state = 4)),
    ADD CONSTRAINT subscription_listener_check CHECK (
        (state = 4) = (name IS NULL) AND (state = 4) = (url IS NULL) AND (state = 4) = (heard_at IS NOT NULL)
    );

ALTER TABLE hardstop.delivery
    -- The place in a listener's stream, from 1. Events come into it in the order in which they can be seen: their numbers
    -- are drawn before they are committed.
    ADD COLUMN position int8,
    DROP CONSTRAINT delivery_kind_check,
    ADD CONSTRAINT delivery_kind_check CHECK (kind IN (1, 2, 4, 8, 16, 32, 64));
CREATE UNIQUE INDEX delivery_position ON hardstop.delivery (subscription, position) WHERE position IS NOT NULL;
