-- Revokes the token $1. Nothing where it is revoked already, or there is none.
UPDATE hardstop.token
SET revoked_at = clock_timestamp()
WHERE id = $1 AND revoked_at IS NULL
RETURNING id, name, scopes, created_at, actor, expires_at, revoked_at,
          (coalesce(expires_at <= clock_timestamp(), false))::int4 AS expired
