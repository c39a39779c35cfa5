-- Which of these leases were settled before: their settlement is in the final row or in an attempt.
-- ?1: JSON list of [id, token].
SELECT d.id, d.lease_token
FROM json_each(?1) l
CROSS JOIN job_done d ON d.id = unhex(l.value ->> 0) AND d.lease_token = l.value ->> 1
UNION ALL
SELECT a.job_id, a.lease_token
FROM json_each(?1) l
CROSS JOIN job_attempt a ON a.job_id = unhex(l.value ->> 0) AND a.lease_token = l.value ->> 1
