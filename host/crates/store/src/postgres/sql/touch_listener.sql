-- Says that somebody hears a listener, and locks it, where the lease is still the one named. $1: its id. $2: the lease.
UPDATE hardstop.subscription
SET heard_at = clock_timestamp()
WHERE id = $1 AND lease = $2 AND state = 4 AND kinds <> 0
RETURNING told
