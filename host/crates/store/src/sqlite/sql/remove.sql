-- Removes these final jobs and all that belongs to them, but for those whose chain is live or needed. ?1: JSON list.
-- The last statements look for what the first one left, so that one list does for all.
DELETE FROM job_done
WHERE id IN (
    SELECT d.id
    FROM json_each(?1) i
    CROSS JOIN job_done d ON d.id = unhex(i.value)
    WHERE true
       AND NOT EXISTS (SELECT 1 FROM job_live l WHERE l.id = d.chain_id)
       AND NOT EXISTS (SELECT 1 FROM job_live l WHERE l.chain_id = d.chain_id AND l.chain_id <> l.id)
       AND NOT EXISTS (SELECT 1 FROM closure c WHERE c.chain_id = d.chain_id)
       AND NOT EXISTS (
           SELECT 1 FROM job_blocker b
           CROSS JOIN job_live l ON l.id = b.job_id
           WHERE b.chain_id = d.chain_id
       )
)
RETURNING type_id, state;
DELETE FROM job_body
WHERE id IN (SELECT unhex(value) FROM json_each(?1))
  AND id NOT IN (SELECT d.id FROM json_each(?1) i CROSS JOIN job_done d ON d.id = unhex(i.value))
  AND id NOT IN (SELECT l.id FROM json_each(?1) i CROSS JOIN job_live l ON l.id = unhex(i.value));
DELETE FROM job_attempt
WHERE job_id IN (SELECT unhex(value) FROM json_each(?1))
  AND job_id NOT IN (SELECT b.id FROM json_each(?1) i CROSS JOIN job_body b ON b.id = unhex(i.value));
DELETE FROM job_blocker
WHERE job_id IN (SELECT unhex(value) FROM json_each(?1))
  AND job_id NOT IN (SELECT b.id FROM json_each(?1) i CROSS JOIN job_body b ON b.id = unhex(i.value));
