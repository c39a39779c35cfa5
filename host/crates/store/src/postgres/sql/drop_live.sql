-- Removes what attempts said that have ended. $1: jobs. $2: their leases.
DELETE FROM hardstop.attempt_live a
USING unnest($1::uuid[], $2::int8[]) AS e (job_id, lease_token)
WHERE a.job_id = e.job_id AND a.lease_token = e.lease_token
