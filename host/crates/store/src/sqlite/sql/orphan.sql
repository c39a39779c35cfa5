-- Running jobs whose session is dead or gone. ?1: of this session only, or null. ?2: the most.
-- In the order of the index of running jobs: by id, the whole backlog would be read.
SELECT j.id, j.chain_id, j.type_id, j.lease_token, j.attempt, j.run, j.rescues, j.priority, j.claimed_at, j.blocking, j.keyed, s.host
FROM job_live j
LEFT JOIN session s ON s.id = j.lease_token >> 32
WHERE j.state = 5 AND (s.id IS NULL OR s.dead) AND (?1 IS NULL OR j.lease_token >> 32 = ?1)
ORDER BY j.lease_token
LIMIT ?2
