-- Moves a job, found by `finishing`, to its final row.
-- What follows where that closes a chain is in `put_closures` and `free_keys`. Differs by necessity: run once for each
-- row, for SQLite has no arrays. Statements of one row, without RETURNING and SELECT: for all others SQLite keeps a copy of
-- each page that they change.
-- ?1 to ?28: the row.
INSERT INTO job_done (
    id, chain_id, lease_token, continued_to, created_at, due_at, started_at, finished_at,
    wall_us, cpu_us, fuel, memory_bytes_peak, output_bytes, log_bytes, log_bytes_dropped, usage_detail, deployment,
    type_id, run, snoozes, attempt, rescues, priority, state, outcome, output, failure, log
)
VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,
    ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
    ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28
);
DELETE FROM job_live WHERE id = ?1;
