-- When somebody asked the worker of session ?1 to drain.
SELECT drain_asked_at FROM session WHERE id = ?1
