-- Registers a worker process.
INSERT INTO hardstop.session (host, started_at, expires_at, lease_duration_ms)
SELECT $1, clock.now, clock.now + $2::int8 * interval '1 millisecond', $2
FROM (SELECT clock_timestamp() AS now) clock
RETURNING id
