-- What people and programs changed, a row for each change, written in its transaction.
CREATE TABLE hardstop.audit (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL CHECK (octet_length(actor) BETWEEN 1 AND 128),
    -- The token that the request came with; null for the command line, and where none was asked for.
    token uuid,
    action text NOT NULL,
    subject text NOT NULL,
    -- JSON: what was, and what is. Null where there is nothing to say.
    before text,
    after text
);

-- What requests with an idempotency key came to, for as long as a client may send them again.
CREATE TABLE hardstop.request (
    -- Keys of one actor are no others' keys.
    actor text NOT NULL,
    key text NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
    -- The SHA-256 of the request.
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- JSON. Null in the transaction that is at work on it only.
    answer text,
    PRIMARY KEY (actor, key)
);
CREATE INDEX request_at ON hardstop.request (at);
