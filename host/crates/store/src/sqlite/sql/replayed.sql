-- Which of these jobs a replay has replayed. ?2: JSON list.
SELECT r.job_id AS id
FROM json_each(?2) i
CROSS JOIN replay_job r ON r.replay_id = ?1 AND r.job_id = unhex(i.value)
