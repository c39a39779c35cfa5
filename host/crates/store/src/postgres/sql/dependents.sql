-- The live jobs of other chains that wait for these chains, or still need their outputs. $2: the most.
SELECT DISTINCT l.id, l.chain_id
FROM hardstop.job_blocker b
JOIN hardstop.job_live l ON l.id = b.job_id
WHERE b.chain_id = ANY ($1::uuid[]) AND l.chain_id <> ALL ($1)
ORDER BY l.id
LIMIT $2
