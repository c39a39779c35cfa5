-- Sessions that serve a type and have not ended, the one trusted longest first.
-- ?1: the type's name. ?2: the most. ?3: now.
SELECT s.id AS session_id, s.host, s.expires_at, s.lease_duration_ms, s.dead, s.expires_at < ?3 AS expired
FROM session s
WHERE NOT s.dead AND (s.types IS NULL OR EXISTS (SELECT 1 FROM json_each(s.types) n WHERE n.value = ?1))
ORDER BY s.expires_at DESC, s.id
LIMIT ?2
