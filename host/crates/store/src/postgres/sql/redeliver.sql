-- Lets deliveries wait again, the oldest first. $1: the subscription. $2: this one only, or null. $3: only those of this
-- time on, in microseconds, or null. $4: only those that were given up. $5: the most.
UPDATE hardstop.delivery
SET state = 1, failures = 0, failure = NULL, delivered_at = NULL
WHERE id = ANY (ARRAY(
    SELECT d.id
    FROM hardstop.delivery d
    WHERE d.subscription = $1 AND d.state <> 1 AND ($2::int8 IS NULL OR d.id = $2) AND (d.state = 3 OR NOT $4)
      AND ($3::int8 IS NULL OR d.at >= 'epoch'::timestamptz + $3 * interval '1 microsecond')
    ORDER BY d.id
    LIMIT $5
))
