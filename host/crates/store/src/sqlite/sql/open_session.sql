-- Registers a worker process. ?1: its host. ?2: milliseconds of lease. ?3: its types, a JSON list, or null. ?4: now.
INSERT INTO session (host, started_at, expires_at, lease_duration_ms, types)
VALUES (?1, ?4, ?4 + ?2 * 1000, ?2, ?3)
RETURNING id
