-- Gives the deliveries that wait for a listener their places in its stream, in the order of their numbers. ?1: the listener.
-- ?2: the last place that was given. ?3: the most. ?4: now.
UPDATE delivery
SET state = 2, delivered_at = ?4, position = ?2 + w.row
FROM (
    SELECT w.id, row_number() OVER (ORDER BY w.id) AS row
    FROM (
        SELECT id FROM delivery WHERE subscription = ?1 AND state = 1 ORDER BY id LIMIT ?3
    ) w
) w
WHERE delivery.id = w.id
