-- How many microseconds until the next deadline of an external job; negative where one has passed already.
SELECT (extract(epoch FROM deadline_at - clock_timestamp()) * 1000000)::int8 AS due_in_us
FROM hardstop.job_live
WHERE state = 4 AND deadline_at IS NOT NULL
ORDER BY deadline_at
LIMIT 1
