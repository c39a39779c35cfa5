-- Renews a session's lease, unless it has been ended.
UPDATE hardstop.session
SET expires_at = clock_timestamp() + lease_duration_ms * interval '1 millisecond'
WHERE id = $1 AND NOT dead
RETURNING id
