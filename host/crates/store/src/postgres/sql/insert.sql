-- Creates jobs: the payload and the live row of each. Ready at once without a delay, else scheduled.
-- The clock is read once, in a subquery, so that jobs of one batch are due at one time and go by id.
WITH new AS MATERIALIZED (
    SELECT n.*, (SELECT clock_timestamp()) AS now
    FROM unnest($1::uuid[], $2::uuid[], $3::int4[], $4::int2[], $5::int8[], $6::text[], $7::text[], $8::text[])
        AS n (id, chain_id, type_id, priority, delay_ms, input, limits, trace_parent)
), body AS (
    INSERT INTO hardstop.job_body (id, input, limits, trace_parent)
    SELECT id, input, limits, trace_parent FROM new
)
INSERT INTO hardstop.job_live (id, chain_id, type_id, priority, state, created_at, due_at)
SELECT id, chain_id, type_id, priority, CASE WHEN delay_ms = 0 THEN 4 ELSE 2 END,
       now, now + delay_ms * interval '1 millisecond'
FROM new
