-- Asks the worker of session $1 to drain. Nothing where the session has ended, or was asked before.
UPDATE hardstop.session
SET drain_asked_at = clock_timestamp()
WHERE id = $1 AND NOT dead AND drain_asked_at IS NULL
RETURNING host
