-- A listener that has not ended. ?1: its id. ?2: for how many microseconds one is kept that nobody hears. ?3: the place of the
-- event that was heard last. ?4: now.
SELECT s.kinds, s.type_ids, s.told,
       EXISTS (SELECT 1 FROM delivery d WHERE d.subscription = s.id AND d.position = ?3 + 1) AS next_kept
FROM subscription s
WHERE s.id = ?1 AND s.state = 4 AND s.kinds <> 0 AND s.heard_at > ?4 - ?2
