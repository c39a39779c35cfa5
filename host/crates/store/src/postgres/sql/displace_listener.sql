-- Ends the listener that nobody has heard for longest, and for so many microseconds ($1) at least: it gives way to a new one.
UPDATE hardstop.subscription
SET kinds = 0
WHERE id = (
    SELECT s.id
    FROM hardstop.subscription s
    WHERE s.state = 4 AND s.kinds <> 0 AND s.heard_at <= clock_timestamp() - $1::int8 * interval '1 microsecond'
    ORDER BY s.heard_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING id
