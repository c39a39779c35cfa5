-- How many microseconds until the next scheduled job is due; negative where one is due already.
SELECT (extract(epoch FROM due_at - clock_timestamp()) * 1000000)::int8 AS due_in_us
FROM hardstop.job_live
WHERE state = 2
ORDER BY due_at
LIMIT 1
