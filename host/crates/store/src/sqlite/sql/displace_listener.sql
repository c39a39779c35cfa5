-- Ends the listener that nobody has heard for longest, and for so many microseconds (?1) at least: it gives way to a new one.
-- ?2: now.
UPDATE subscription
SET kinds = 0
WHERE id = (
    SELECT s.id
    FROM subscription s
    WHERE s.state = 4 AND s.kinds <> 0 AND s.heard_at <= ?2 - ?1
    ORDER BY s.heard_at
    LIMIT 1
)
RETURNING id
