-- The live jobs of other chains that wait for these chains, or still need their outputs. ?1: JSON list. ?2: the most.
SELECT DISTINCT l.id, l.chain_id
FROM json_each(?1) c
CROSS JOIN job_blocker b ON b.chain_id = unhex(c.value)
CROSS JOIN job_live l ON l.id = b.job_id
WHERE l.chain_id NOT IN (SELECT unhex(value) FROM json_each(?1))
ORDER BY l.id
LIMIT ?2
