-- Renews a session's lease, unless it has been ended. ?2: now.
UPDATE session SET expires_at = ?2 + lease_duration_ms * 1000 WHERE id = ?1 AND NOT dead RETURNING id
