-- One schedule, locked. $1: its name.
SELECT s.*, clock_timestamp() AS now
FROM hardstop.schedule s
WHERE s.name = $1
FOR NO KEY UPDATE OF s
