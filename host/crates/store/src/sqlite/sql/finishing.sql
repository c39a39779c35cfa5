-- What is known of a live job that is about to become final, where it still carries the lease named (null: a queued job).
-- ?1: the job. ?2: the lease.
SELECT id, chain_id, type_id, lease_token, attempt, run, rescues, priority, claimed_at, blocking, keyed,
       state, created_at, due_at, snoozes, blockers
FROM job_live
WHERE id = ?1 AND lease_token IS ?2
