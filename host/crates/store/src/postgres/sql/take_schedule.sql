-- One schedule, locked, if it is due and no other host has it. $1: its name.
SELECT s.*, c.now
FROM hardstop.schedule s, (SELECT clock_timestamp() AS now) c
WHERE s.name = $1 AND NOT s.paused AND s.next_at <= c.now
FOR NO KEY UPDATE OF s SKIP LOCKED
