-- The final jobs of these chains. A chain's first job is found by its id. ?1: JSON list.
SELECT d.id, d.chain_id, d.state
FROM json_each(?1) c
CROSS JOIN job_done d ON d.id = unhex(c.value) AND d.chain_id = d.id
UNION ALL
SELECT d.id, d.chain_id, d.state
FROM json_each(?1) c
CROSS JOIN job_done d ON d.chain_id = unhex(c.value) AND d.chain_id <> d.id
