-- Ends the sessions whose lease has run out. ?1: now.
UPDATE session SET dead = 1 WHERE NOT dead AND expires_at < ?1 RETURNING id
