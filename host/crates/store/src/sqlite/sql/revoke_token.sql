-- Revokes the token ?1. Nothing where it is revoked already, or there is none. ?2: now.
UPDATE token
SET revoked_at = ?2
WHERE id = ?1 AND revoked_at IS NULL
RETURNING id, name, scopes, created_at, actor, expires_at, revoked_at,
          coalesce(expires_at <= ?2, 0) AS expired
