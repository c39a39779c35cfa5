-- Registers a worker process. ?3: now.
INSERT INTO session (host, started_at, expires_at, lease_duration_ms)
VALUES (?1, ?3, ?3 + ?2 * 1000, ?2)
RETURNING id
