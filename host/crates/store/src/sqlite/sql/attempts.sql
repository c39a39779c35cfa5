-- The recorded runs of a job, oldest first.
SELECT run, attempt, outcome, failure, usage, log, progress, session, host, started_at, finished_at
FROM job_attempt
WHERE job_id = ?1
ORDER BY run
