-- What the attempt that runs the job ?1 has said so far.
SELECT a.log, a.progress
FROM job_live j
JOIN attempt_live a ON a.job_id = j.id AND a.lease_token = j.lease_token
WHERE j.id = ?1 AND j.state = 5
ORDER BY a.part
