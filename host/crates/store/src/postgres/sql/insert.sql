-- Creates jobs: the payload and the live row of each. Blocked while a blocker is awaited; else ready where
-- it is due, else scheduled. A type without a handler makes an external job, with a token and a deadline.
-- The clock is read once, in a subquery, so that jobs of one batch are due at one time and go by id.
WITH new AS MATERIALIZED (
    SELECT n.*, c.now,
           greatest(c.now + n.delay_ms * interval '1 millisecond',
                    'epoch'::timestamptz + n.not_before * interval '1 microsecond') AS due_at,
           (SELECT t.external_deadline_ms FROM hardstop.job_type t WHERE t.id = n.type_id) AS deadline_ms
    FROM unnest(
        $1::uuid[], $2::uuid[], $3::int4[], $4::int2[], $5::int8[], $6::text[], $7::text[], $8::text[], $9::int8[],
        $10::int4[], $11::int4[], $12::int2[], $13::bool[], $14::bool[], $15::uuid[], $16::int4[], $17::uuid[]
    ) AS n (
        id, chain_id, type_id, priority, delay_ms, input, limits, trace_parent, not_before,
        blockers, open_blockers, on_blocker_failure, blocking, keyed, root_chain, depth, parent_job
    ), (SELECT clock_timestamp() AS now) c
), body AS (
    INSERT INTO hardstop.job_body (
        id, input, limits, trace_parent, root_chain, depth, parent_job, completion_token, on_blocker_failure
    )
    SELECT id, input, limits, trace_parent, root_chain, depth, parent_job,
           CASE WHEN deadline_ms IS NOT NULL THEN gen_random_uuid() END, nullif(on_blocker_failure, 0)
    FROM new
)
INSERT INTO hardstop.job_live (
    id, chain_id, type_id, priority, state, created_at, due_at, deadline_ms, deadline_at,
    blockers, open_blockers, on_blocker_failure, blocking, keyed
)
SELECT id, chain_id, type_id, priority,
       CASE WHEN open_blockers > 0 THEN 1 WHEN due_at > now THEN 2 ELSE 4 END, now, due_at, deadline_ms,
       CASE WHEN open_blockers = 0 AND due_at <= now THEN now + deadline_ms * interval '1 millisecond' END,
       blockers, open_blockers, on_blocker_failure, blocking, keyed
FROM new
