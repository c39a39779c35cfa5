-- How many microseconds until the next deadline of an external job; negative where one has passed already. ?1: now.
SELECT deadline_at - ?1 AS due_in_us
FROM job_live
WHERE state = 4 AND deadline_at IS NOT NULL
ORDER BY deadline_at
LIMIT 1
