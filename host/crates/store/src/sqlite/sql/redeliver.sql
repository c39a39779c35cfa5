-- Lets deliveries wait again, the oldest first. ?1: the subscription. ?2: this one only, or null. ?3: only those of this
-- time on, in microseconds, or null. ?4: only those that were given up. ?5: the most.
UPDATE delivery
SET state = 1, failures = 0, failure = NULL, delivered_at = NULL
WHERE id IN (
    SELECT d.id
    FROM delivery d
    WHERE d.subscription = ?1 AND d.state <> 1 AND (?2 IS NULL OR d.id = ?2) AND (d.state = 3 OR NOT ?4)
      AND (?3 IS NULL OR d.at >= ?3)
    ORDER BY d.id
    LIMIT ?5
)
