-- Leases a job that was found to be ready, and reads it with its payload.
-- Differs by necessity: SQLite has neither LATERAL nor arrays, so jobs are found by `ready` and leased one by one. The
-- writer is alone in its transaction: nothing needs to be locked.
-- ?1: the job. ?2: the token. ?3: now.
UPDATE job_live
SET state = 5, lease_token = ?2, attempt = attempt + 1, run = run + 1, claimed_at = ?3
WHERE id = ?1;
SELECT l.id, l.chain_id, l.type_id, l.lease_token, l.attempt, l.run, l.rescues, l.priority,
       b.input, b.limits, b.trace_parent, l.created_at, l.due_at, l.claimed_at, l.snoozes, l.snoozed_ms, l.larger_memory,
       b.root_chain, b.depth,
       (SELECT descendants FROM lineage WHERE root_chain = coalesce(b.root_chain, l.chain_id)) AS descendants,
       b.unchecked, l.blockers
FROM job_live l CROSS JOIN job_body b ON b.id = l.id
WHERE l.id = ?1;
