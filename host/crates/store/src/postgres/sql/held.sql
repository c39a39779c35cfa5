-- The jobs that are held under these leases. Beside a transaction that is open for long, the index has an entry of each job that was
-- claimed since: only those of these leases are read.
SELECT id, lease_token FROM hardstop.job_live WHERE state = 5 AND lease_token = ANY ($1::int8[])
