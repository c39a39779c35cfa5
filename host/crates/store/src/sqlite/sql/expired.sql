-- External jobs that nobody completed by their deadline. ?1: the most. ?2: now.
SELECT id, deadline_at, deadline_ms
FROM job_live
WHERE state = 4 AND deadline_at IS NOT NULL AND deadline_at <= ?2
ORDER BY deadline_at
LIMIT ?1
