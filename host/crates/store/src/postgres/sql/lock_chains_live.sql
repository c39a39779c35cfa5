-- The live jobs of these chains, locked.
SELECT id, chain_id, state
FROM hardstop.job_live
WHERE id = ANY (ARRAY(
    SELECT id FROM hardstop.job_live WHERE id = ANY ($1::uuid[]) AND chain_id = id
    UNION ALL
    SELECT id FROM hardstop.job_live WHERE chain_id = ANY ($1) AND chain_id <> id
))
ORDER BY id
FOR UPDATE
