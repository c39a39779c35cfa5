-- Blocked jobs that wait for chains which have closed; not those that hold because the chain failed.
-- ?1: JSON list of chains. ?2: the most rows.
SELECT b.job_id, b.position, b.chain_id, c.job_id AS closed_by, c.state, j.on_blocker_failure
FROM json_each(?1) w
CROSS JOIN closure c ON c.chain_id = unhex(w.value)
CROSS JOIN job_blocker b ON b.chain_id = c.chain_id AND b.closed_by IS NULL AND NOT b.overridden
CROSS JOIN job_live j ON j.id = b.job_id AND j.state = 1
WHERE c.state = 10 OR j.on_blocker_failure <> 2
LIMIT ?2
