-- The jobs whose end closed these chains. ?1: JSON list.
SELECT d.id, d.chain_id, d.state
FROM json_each(?1) c
CROSS JOIN job_done d ON d.id = unhex(c.value) AND d.chain_id = d.id AND d.state <> 11
UNION ALL
SELECT d.id, d.chain_id, d.state
FROM json_each(?1) c
CROSS JOIN job_done d ON d.chain_id = unhex(c.value) AND d.chain_id <> d.id AND d.state <> 11
