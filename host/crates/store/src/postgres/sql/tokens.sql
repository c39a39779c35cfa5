-- A page of tokens, newest first. $1: older than this id. $2: the most.
SELECT t.id, t.name, t.scopes, t.created_at, t.actor, t.expires_at, t.revoked_at,
       (coalesce(t.expires_at <= clock_timestamp(), false))::int4 AS expired
FROM hardstop.token t
WHERE t.id < $1
ORDER BY t.id DESC
LIMIT $2
