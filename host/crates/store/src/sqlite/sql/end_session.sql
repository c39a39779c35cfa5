-- Ends a session: no heartbeat revives it and no claim names it again.
UPDATE session SET dead = 1 WHERE id = ?1 AND NOT dead RETURNING id
