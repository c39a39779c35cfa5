-- Which of these leases were settled before: their settlement is in the final row or in an attempt.
SELECT d.id, d.lease_token
FROM unnest($1::uuid[], $2::int8[]) AS l (id, token)
JOIN hardstop.job_done d ON d.id = l.id AND d.lease_token = l.token
UNION ALL
SELECT a.job_id, a.lease_token
FROM unnest($1::uuid[], $2::int8[]) AS l (id, token)
JOIN hardstop.job_attempt a ON a.job_id = l.id AND a.lease_token = l.token
