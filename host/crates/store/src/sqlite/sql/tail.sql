-- The live job of a chain.
SELECT id FROM job_live WHERE id = ?1 AND chain_id = id
UNION ALL
SELECT id FROM job_live WHERE chain_id = ?1 AND chain_id <> id
