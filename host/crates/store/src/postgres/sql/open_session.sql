-- Registers a worker process. $1: its host. $2: milliseconds of lease. $3: its types, a JSON list, or null.
INSERT INTO hardstop.session (host, started_at, expires_at, lease_duration_ms, types)
SELECT $1, clock.now, clock.now + $2::int8 * interval '1 millisecond', $2, $3
FROM (SELECT clock_timestamp() AS now) clock
RETURNING id
