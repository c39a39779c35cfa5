-- Creates jobs: the payload and the live row of each. Ready at once without a delay, else scheduled.
-- ?1: JSON rows. ?2: now.
INSERT INTO job_body (id, input, limits, trace_parent)
SELECT unhex(n.value ->> 'id'), n.value ->> 'input', n.value ->> 'limits', n.value ->> 'trace_parent'
FROM json_each(?1) n;
INSERT INTO job_live (id, chain_id, type_id, priority, state, created_at, due_at)
SELECT unhex(n.value ->> 'id'), unhex(n.value ->> 'chain_id'), n.value ->> 'type_id', n.value ->> 'priority',
       CASE WHEN n.value ->> 'delay_ms' = 0 THEN 4 ELSE 2 END,
       ?2, ?2 + (n.value ->> 'delay_ms') * 1000
FROM json_each(?1) n;
