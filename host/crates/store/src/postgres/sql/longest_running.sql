-- Of each type that has a running job, the one that was claimed first.
SELECT DISTINCT ON (j.type_id) j.type_id, j.id, j.chain_id, j.claimed_at
FROM hardstop.job_live j
WHERE j.state = 5
ORDER BY j.type_id, j.claimed_at
