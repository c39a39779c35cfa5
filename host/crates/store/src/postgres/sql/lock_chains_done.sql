-- The final jobs of these chains, locked. A chain's first job is found by its id.
SELECT id, chain_id, state
FROM hardstop.job_done
WHERE id = ANY ($1::uuid[] || ARRAY(
    SELECT c.id FROM hardstop.job_done c WHERE c.chain_id = ANY ($1) AND c.chain_id <> c.id
)) AND chain_id = ANY ($1)
ORDER BY id
FOR UPDATE
