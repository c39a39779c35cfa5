-- The recorded runs of a job, oldest first.
SELECT a.run, a.attempt, a.outcome, a.failure, a.usage, a.log, a.progress, a.session, a.host, a.started_at,
       a.finished_at, a.deployment, d.component
FROM job_attempt a
LEFT JOIN deployment d ON d.id = a.deployment
WHERE a.job_id = ?1
ORDER BY a.run
