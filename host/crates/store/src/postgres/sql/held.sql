-- The jobs that a session holds.
SELECT id, lease_token
FROM hardstop.job_live
WHERE state = 5 AND lease_token >= $1::int8 << 32 AND lease_token < ($1 + 1) << 32
