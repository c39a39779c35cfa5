-- Forgets deliveries to listeners that have ended. $1: the most.
DELETE FROM hardstop.delivery
WHERE id = ANY (ARRAY(
    SELECT d.id
    FROM hardstop.subscription s
    JOIN hardstop.delivery d ON d.subscription = s.id
    WHERE s.state = 4 AND s.kinds = 0
    LIMIT $1
))
