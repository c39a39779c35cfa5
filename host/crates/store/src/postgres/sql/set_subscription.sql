-- Lets a subscription be active (1) or paused (2), from now on. $1: its name. $2: the state.
UPDATE hardstop.subscription
SET state = $2, next_at = clock_timestamp()
WHERE name = $1
RETURNING id
