-- Sessions that serve a type and have not ended, the one trusted longest first. $1: the type's name. $2: the most.
SELECT s.id AS session_id, s.host, s.expires_at, s.lease_duration_ms, s.dead, s.expires_at < clock_timestamp() AS expired
FROM hardstop.session s
WHERE NOT s.dead AND (s.types IS NULL OR s.types::jsonb ? $1)
ORDER BY s.expires_at DESC, s.id
LIMIT $2
