-- Bearer tokens of the HTTP API. Of the secret only its SHA-256 is kept. One that is revoked stays: as long as there was
-- ever a token, one is asked for.
CREATE TABLE hardstop.token (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 128),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    -- A sum of 1 read, 2 operate, 4 deploy, 8 admin.
    scopes int2 NOT NULL CHECK (scopes BETWEEN 1 AND 15),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Who made it.
    actor text NOT NULL CHECK (octet_length(actor) BETWEEN 1 AND 128),
    expires_at timestamptz,
    revoked_at timestamptz
);
