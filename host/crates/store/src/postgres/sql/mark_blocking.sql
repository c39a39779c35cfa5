-- Notes on the live jobs of these chains that jobs wait for them, and returns the chains that have a live job.
-- A settlement that ends or continues such a job at this moment is waited for; the chain is then not among
-- those returned, and a later statement finds its end or its next job.
WITH tail AS MATERIALIZED (
    SELECT id FROM hardstop.job_live
    WHERE id = ANY (ARRAY(
        SELECT id FROM hardstop.job_live WHERE id = ANY ($1::uuid[]) AND chain_id = id
        UNION ALL
        SELECT id FROM hardstop.job_live WHERE chain_id = ANY ($1) AND chain_id <> id
    ))
    ORDER BY id
    FOR NO KEY UPDATE
)
UPDATE hardstop.job_live SET blocking = true
WHERE id = ANY (ARRAY(SELECT id FROM tail))
RETURNING chain_id
