-- Ends the quarantine of a component of a type. Attempts that were claimed before do not count any more.
-- ?1: the type. ?2: the component; null: all of them. ?3: now.
UPDATE quarantine
SET released_at = ?3, holds = 0
WHERE type_id = ?1 AND released_at IS NULL AND (?2 IS NULL OR component = ?2)
RETURNING deployment, component
