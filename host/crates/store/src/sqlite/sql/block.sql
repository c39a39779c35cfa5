-- Records what jobs wait for, or would have waited for. ?1: JSON rows.
INSERT INTO job_blocker (job_id, position, chain_id, closed_by)
SELECT unhex(b.value ->> 'job_id'), b.value ->> 'position', unhex(b.value ->> 'chain_id'), unhex(b.value ->> 'closed_by')
FROM json_each(?1) b
