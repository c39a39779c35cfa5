-- The type and state of these jobs, as far as they are queued. ?1: JSON list.
SELECT type_id, state FROM job_live
WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND lease_token IS NULL
