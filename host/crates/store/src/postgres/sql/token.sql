-- A token with its hash, where there is one of the id $1; and whether there is any at all: one row.
SELECT (EXISTS (SELECT FROM hardstop.token))::int4 AS any_token,
       t.id, t.name, t.hash, t.scopes, t.created_at, t.actor, t.expires_at, t.revoked_at,
       (coalesce(t.expires_at <= clock_timestamp(), false))::int4 AS expired
FROM (SELECT 1) one
LEFT JOIN hardstop.token t ON t.id = $1
