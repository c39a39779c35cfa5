-- The live jobs of these chains. The writer is alone: nothing needs to be locked. ?1: JSON list.
SELECT j.id AS id, j.chain_id, j.state
FROM json_each(?1) c
CROSS JOIN job_live j ON j.id = unhex(c.value) AND j.chain_id = j.id
UNION ALL
SELECT j.id AS id, j.chain_id, j.state
FROM json_each(?1) c
CROSS JOIN job_live j ON j.chain_id = unhex(c.value) AND j.chain_id <> j.id
ORDER BY id
