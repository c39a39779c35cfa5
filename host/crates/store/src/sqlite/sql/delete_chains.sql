-- Removes chains, with all their jobs and all that belongs to either. ?1: a JSON object of
-- both lists: the driver cannot bind a second parameter to a statement that leaves out the first.
DELETE FROM job_live WHERE id IN (SELECT unhex(value) FROM json_each(?1, '$.jobs')) RETURNING type_id, state;
DELETE FROM job_done WHERE id IN (SELECT unhex(value) FROM json_each(?1, '$.jobs')) RETURNING type_id, state;
DELETE FROM job_body WHERE id IN (SELECT unhex(value) FROM json_each(?1, '$.jobs'));
DELETE FROM job_attempt WHERE job_id IN (SELECT unhex(value) FROM json_each(?1, '$.jobs'));
DELETE FROM job_blocker WHERE job_id IN (SELECT unhex(value) FROM json_each(?1, '$.jobs'));
DELETE FROM chain_key WHERE chain_id IN (SELECT unhex(value) FROM json_each(?1, '$.chains'));
DELETE FROM lineage WHERE root_chain IN (SELECT unhex(value) FROM json_each(?1, '$.chains'));
DELETE FROM closure WHERE chain_id IN (SELECT unhex(value) FROM json_each(?1, '$.chains'));
