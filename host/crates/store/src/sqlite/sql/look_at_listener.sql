-- What there is for a listener that has not ended. ?1: its id. ?2: how many microseconds later it is to be said again that
-- somebody hears it. ?3: now.
SELECT s.lease, s.told,
       EXISTS (SELECT 1 FROM delivery d WHERE d.subscription = s.id AND d.state = 1) AS waiting,
       s.heard_at <= ?3 - ?2 AS stale
FROM subscription s
WHERE s.id = ?1 AND s.state = 4 AND s.kinds <> 0
