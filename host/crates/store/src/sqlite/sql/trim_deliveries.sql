-- Forgets deliveries, a bounded number: those that arrived and are so many microseconds old (?1), and others that are so old
-- (?2). ?3: the most. ?4: now.
DELETE FROM delivery
WHERE id IN (
    SELECT d.id
    FROM delivery d
    WHERE d.at < ?4 - ?1 AND (d.state = 2 OR d.at < ?4 - ?2)
    LIMIT ?3
)
