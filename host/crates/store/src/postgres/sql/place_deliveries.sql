-- Gives the deliveries that wait for a listener their places in its stream, in the order of their numbers. Whoever does has
-- locked the listener. $1: the listener. $2: the last place that was given. $3: the most.
UPDATE hardstop.delivery d
SET state = 2, delivered_at = clock_timestamp(), position = $2 + w.row
FROM (
    SELECT w.id, row_number() OVER (ORDER BY w.id) AS row
    FROM (
        SELECT id FROM hardstop.delivery WHERE subscription = $1 AND state = 1 ORDER BY id LIMIT $3
    ) w
) w
WHERE d.id = w.id
