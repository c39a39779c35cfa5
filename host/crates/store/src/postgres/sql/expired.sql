-- External jobs that nobody completed by their deadline, locked. $1: the most. The clock is read once, in a
-- subquery: a volatile function in the condition itself could not bound the scan of the index.
SELECT id, deadline_at, deadline_ms
FROM hardstop.job_live
WHERE state = 4 AND deadline_at IS NOT NULL AND deadline_at <= (SELECT clock_timestamp())
ORDER BY deadline_at
LIMIT $1
FOR UPDATE SKIP LOCKED
