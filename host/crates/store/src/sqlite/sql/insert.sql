-- Creates jobs: the payload and the live row of each. Blocked while a blocker is awaited; else ready where
-- it is due, else scheduled. A type without a handler makes an external job, with a token and a deadline.
-- ?1: JSON rows. ?2: now.
INSERT INTO job_body (id, input, limits, trace_parent, root_chain, depth, parent_job, completion_token, on_blocker_failure)
SELECT unhex(n.value ->> 'id'), n.value ->> 'input', n.value ->> 'limits', n.value ->> 'trace_parent',
       unhex(n.value ->> 'root_chain'), n.value ->> 'depth', unhex(n.value ->> 'parent_job'),
       CASE WHEN (SELECT t.external_deadline_ms FROM job_type t WHERE t.id = n.value ->> 'type_id') IS NOT NULL
            THEN randomblob(16) END,
       nullif(n.value ->> 'on_blocker_failure', 0)
FROM json_each(?1) n;
INSERT INTO job_live (
    id, chain_id, type_id, priority, state, created_at, due_at, deadline_ms, deadline_at,
    blockers, open_blockers, on_blocker_failure, blocking, keyed
)
SELECT id, chain_id, type_id, priority,
       CASE WHEN open_blockers > 0 THEN 1 WHEN due_at > ?2 THEN 2 ELSE 4 END, ?2, due_at, deadline_ms,
       CASE WHEN open_blockers = 0 AND due_at <= ?2 THEN ?2 + deadline_ms * 1000 END,
       blockers, open_blockers, on_blocker_failure, blocking, keyed
FROM (
    SELECT unhex(n.value ->> 'id') AS id, unhex(n.value ->> 'chain_id') AS chain_id, n.value ->> 'type_id' AS type_id,
           n.value ->> 'priority' AS priority,
           max(?2 + (n.value ->> 'delay_ms') * 1000, coalesce(n.value ->> 'not_before', 0)) AS due_at,
           (SELECT t.external_deadline_ms FROM job_type t WHERE t.id = n.value ->> 'type_id') AS deadline_ms,
           n.value ->> 'blockers' AS blockers, n.value ->> 'open_blockers' AS open_blockers,
           n.value ->> 'on_blocker_failure' AS on_blocker_failure, n.value ->> 'blocking' AS blocking,
           n.value ->> 'keyed' AS keyed
    FROM json_each(?1) n
);
