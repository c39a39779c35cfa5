-- Blocked jobs that wait for chains which have closed, locked in the order of their ids; not those that hold
-- because the chain failed. $1: the chains. $2: the most rows.
SELECT b.job_id, b.position, b.chain_id, c.job_id AS closed_by, c.state, j.on_blocker_failure
FROM hardstop.closure c
JOIN hardstop.job_blocker b ON b.chain_id = c.chain_id AND b.closed_by IS NULL AND NOT b.overridden
JOIN hardstop.job_live j ON j.id = b.job_id AND j.state = 1
WHERE c.chain_id = ANY ($1::uuid[]) AND (c.state = 10 OR j.on_blocker_failure <> 2)
ORDER BY j.id, b.position
LIMIT $2
FOR NO KEY UPDATE OF j
