-- Makes a token. $1: its id. $2: its name. $3: the hash. $4: the scopes. $5: who makes it. $6: for how many
-- microseconds, or null: without end.
INSERT INTO hardstop.token (id, name, hash, scopes, created_at, actor, expires_at)
SELECT $1, $2, $3, $4, n.now, $5, n.now + $6::int8 * interval '1 microsecond'
FROM (SELECT clock_timestamp() AS now) n
RETURNING id, name, scopes, created_at, actor, expires_at, revoked_at, 0 AS expired
