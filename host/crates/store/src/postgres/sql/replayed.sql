-- Which of these jobs a replay has replayed.
SELECT job_id AS id FROM hardstop.replay_job WHERE replay_id = $1 AND job_id = ANY ($2::uuid[])
