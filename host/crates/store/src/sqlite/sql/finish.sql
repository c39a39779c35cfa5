-- Moves a job to its final row, where it still carries the lease named (?2; null: a queued job).
-- What follows where that closes a chain is in `put_closures` and `free_keys`. Differs by necessity: run once for each
-- row, for SQLite has no arrays.
-- ?1: the job. ?2: the lease that it has. ?3 to ?18: the row. ?19: now.
INSERT INTO job_done (
    id, chain_id, lease_token, continued_to, created_at, due_at, started_at, finished_at,
    wall_us, cpu_us, fuel, memory_bytes_peak, output_bytes, log_bytes, log_bytes_dropped, usage_detail, deployment,
    type_id, run, snoozes, attempt, rescues, priority, state, outcome, output, failure, log
)
SELECT id, chain_id, ?3, ?9, created_at, due_at, claimed_at, ?19,
       ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
       type_id, run, snoozes, attempt, rescues, priority, ?4, ?5, ?6, ?7, ?8
FROM job_live
WHERE id = ?1 AND lease_token IS ?2;
DELETE FROM job_live
WHERE id = ?1 AND lease_token IS ?2
RETURNING id, chain_id, type_id, state, lease_token, attempt, run, rescues, priority, claimed_at, blocking, keyed;
