-- Ends the quarantine of a component of a type. Attempts that were claimed before do not count any more.
-- $1: the type. $2: the component; null: all of them.
UPDATE hardstop.quarantine
SET released_at = clock_timestamp(), holds = false
WHERE type_id = $1 AND released_at IS NULL AND ($2::bytea IS NULL OR component = $2)
RETURNING deployment, component
