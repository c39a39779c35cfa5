-- One live job, locked.
SELECT id, chain_id, type_id, state, lease_token, attempt, run, rescues, priority, claimed_at, blocking, keyed
FROM hardstop.job_live
WHERE id = $1
FOR UPDATE
