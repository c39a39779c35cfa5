-- Lets a subscription be active (1) or paused (2), from now on. ?1: its name. ?2: the state. ?3: now.
UPDATE subscription
SET state = ?2, next_at = ?3
WHERE name = ?1
RETURNING id
