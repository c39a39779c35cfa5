-- How many microseconds until the next scheduled job is due; negative where one is due already. ?1: now.
SELECT due_at - ?1 AS due_in_us FROM job_live WHERE state = 2 ORDER BY due_at LIMIT 1
