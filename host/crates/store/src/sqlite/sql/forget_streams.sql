-- Forgets deliveries to listeners that have ended. ?1: the most.
DELETE FROM delivery
WHERE id IN (
    SELECT d.id
    FROM subscription s
    CROSS JOIN delivery d ON d.subscription = s.id
    WHERE s.state = 4 AND s.kinds = 0
    LIMIT ?1
)
