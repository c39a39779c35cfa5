-- Ends a pause, and tells whether it was not over already. ?1: the type, 0 for all. ?2: now.
DELETE FROM pause
WHERE type_id = ?1
RETURNING until IS NULL OR until > ?2 AS paused
