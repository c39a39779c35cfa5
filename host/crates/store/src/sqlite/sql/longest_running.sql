-- Of each type that has a running job, the one that was claimed first.
SELECT j.type_id, j.id, j.chain_id, min(j.claimed_at) AS claimed_at
FROM job_live j
WHERE j.state = 5
GROUP BY j.type_id
ORDER BY j.type_id
