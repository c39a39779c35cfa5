-- Says that somebody hears a listener, where the lease is still the one named. ?1: its id. ?2: the lease. ?3: now.
UPDATE subscription
SET heard_at = ?3
WHERE id = ?1 AND lease = ?2 AND state = 4 AND kinds <> 0
RETURNING told
