-- Ends a pause, and tells whether it was not over already. $1: the type, 0 for all.
DELETE FROM hardstop.pause
WHERE type_id = $1
RETURNING until IS NULL OR until > clock_timestamp() AS paused
