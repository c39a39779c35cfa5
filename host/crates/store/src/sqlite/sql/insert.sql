-- Creates a job: the payload and the live row. A type without a handler makes an external job, with a token and a deadline
-- from when it is ready.
-- Differs by necessity: run once for each row, for SQLite has no arrays; of one row each, as in `finish`.
-- ?1: now. ?2 to ?18: the row.
INSERT INTO job_body (id, input, limits, trace_parent, root_chain, depth, parent_job, completion_token, on_blocker_failure)
VALUES (
    ?2, ?8, ?9, ?10, ?11, ?12, ?13,
    CASE WHEN (SELECT t.external_deadline_ms FROM job_type t WHERE t.id = ?4) IS NOT NULL THEN randomblob(16) END,
    nullif(?16, 0)
);
INSERT INTO job_live (
    id, chain_id, type_id, priority, state, created_at, due_at, deadline_ms, deadline_at,
    blockers, open_blockers, on_blocker_failure, blocking, keyed
)
VALUES (
    ?2, ?3, ?4, ?5, ?6, ?1, ?7,
    (SELECT t.external_deadline_ms FROM job_type t WHERE t.id = ?4),
    CASE WHEN ?6 = 4 THEN ?1 + 1000 * (SELECT t.external_deadline_ms FROM job_type t WHERE t.id = ?4) END,
    ?14, ?15, ?16, ?17, ?18
);
