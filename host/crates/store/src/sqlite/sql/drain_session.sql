-- Asks the worker of session ?1 to drain. Nothing where the session has ended, or was asked before. ?2: now.
UPDATE session SET drain_asked_at = ?2 WHERE id = ?1 AND NOT dead AND drain_asked_at IS NULL RETURNING host
