-- Records that chains closed for which jobs wait, until all of those have been told. ?1: JSON rows. ?2: now.
INSERT INTO closure (chain_id, job_id, state, created_at)
SELECT unhex(c.value ->> 'chain_id'), unhex(c.value ->> 'job_id'), c.value ->> 'state', ?2
FROM json_each(?1) c
WHERE true
ON CONFLICT (chain_id) DO UPDATE SET job_id = excluded.job_id, state = excluded.state
