-- Ends a session: no heartbeat revives it and no claim names it again.
UPDATE hardstop.session SET dead = true WHERE id = $1 AND NOT dead RETURNING id
