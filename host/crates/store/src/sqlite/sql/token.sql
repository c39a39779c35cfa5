-- A token with its hash, where there is one of the id ?1; and whether there is any at all: one row. ?2: now.
SELECT EXISTS (SELECT 1 FROM token) AS any_token,
       t.id, t.name, t.hash, t.scopes, t.created_at, t.actor, t.expires_at, t.revoked_at,
       coalesce(t.expires_at <= ?2, 0) AS expired
FROM (SELECT 1) one
LEFT JOIN token t ON t.id = ?1
