-- Notes on the live jobs of these chains that jobs wait for them, and returns the chains that have a live job.
-- ?1: JSON list.
UPDATE job_live SET blocking = 1
WHERE chain_id IN (SELECT unhex(value) FROM json_each(?1))
RETURNING chain_id
