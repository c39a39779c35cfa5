-- The live jobs of these chains, locked.
SELECT id, chain_id, state
FROM hardstop.job_live
WHERE chain_id = ANY ($1::uuid[])
ORDER BY id
FOR UPDATE
