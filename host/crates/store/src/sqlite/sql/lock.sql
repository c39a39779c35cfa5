-- One live job. The writer is alone in its transaction: nothing needs to be locked.
SELECT id, chain_id, type_id, state, lease_token, attempt, run, rescues, priority, claimed_at, blocking, keyed
FROM job_live
WHERE id = ?1
