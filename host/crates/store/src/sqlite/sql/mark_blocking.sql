-- Notes on the live jobs of these chains that jobs wait for them, and returns the chains that have a live job.
-- ?1: JSON list.
UPDATE job_live SET blocking = 1
WHERE id IN (
    SELECT j.id FROM json_each(?1) c CROSS JOIN job_live j ON j.id = unhex(c.value) AND j.chain_id = j.id
    UNION ALL
    SELECT j.id FROM json_each(?1) c CROSS JOIN job_live j ON j.chain_id = unhex(c.value) AND j.chain_id <> j.id
)
RETURNING chain_id
