-- Moves jobs to their final row, where they still carry the lease named (`held`; null: a queued job). One that is not kept
-- leaves only its payload, which goes with its day, or at once where it lies in no day's partition. Where that
-- closes a chain, the chain's key is free, and that jobs wait for it is put on record for those who tell them.
-- Events are written for the subscriptions that want them, which are looked at once for the whole batch.
-- One statement, so that a batch of plain completions is one round trip and one commit.
WITH finished AS (
    DELETE FROM hardstop.job_live j
    USING unnest(
        $1::uuid[], $2::int8[], $3::int8[], $4::int2[], $5::int2[], $6::text[], $7::text[], $8::text[], $9::uuid[],
        $10::int8[], $11::int8[], $12::int8[], $13::int8[], $14::int8[], $15::int8[], $16::int8[], $17::text[],
        $18::uuid[], $19::bool[]
    ) AS f (
        id, held, token, state, outcome, output, failure, log, continued_to,
        wall_us, cpu_us, fuel, memory_bytes_peak, output_bytes, log_bytes, log_bytes_dropped, usage_detail, deployment,
        kept
    )
    WHERE j.id = f.id AND j.lease_token IS NOT DISTINCT FROM f.held
    RETURNING j.id, j.chain_id, f.token AS lease_token, f.continued_to, j.created_at, j.due_at, j.claimed_at,
              f.wall_us, f.cpu_us, f.fuel, f.memory_bytes_peak, f.output_bytes, f.log_bytes, f.log_bytes_dropped,
              f.usage_detail, f.deployment,
              j.type_id, j.run, j.snoozes, j.attempt, j.rescues, j.priority, f.state, f.outcome,
              f.output, f.failure, f.log, j.blocking, j.keyed,
              -- What nobody can ask for leaves no final row: no attempt of before, no other job, and no key refers to it.
              f.kept OR j.run > 1 OR j.chain_id <> j.id OR j.blocking OR j.keyed OR j.blockers > 0 AS stays
), done AS (
    INSERT INTO hardstop.job_done (
        id, chain_id, lease_token, continued_to, created_at, due_at, started_at,
        wall_us, cpu_us, fuel, memory_bytes_peak, output_bytes, log_bytes, log_bytes_dropped, usage_detail, deployment,
        type_id, run, snoozes, attempt, rescues, priority, state, outcome, output, failure, log
    )
    SELECT id, chain_id, lease_token, continued_to, created_at, due_at, claimed_at,
           wall_us, cpu_us, fuel, memory_bytes_peak, output_bytes, log_bytes, log_bytes_dropped, usage_detail, deployment,
           type_id, run, snoozes, attempt, rescues, priority, state, outcome, output, failure, log
    FROM finished
    WHERE stays
), payload AS (
    DELETE FROM hardstop.job_body_default WHERE id = ANY (ARRAY(SELECT id FROM finished WHERE NOT stays))
), closed AS (
    INSERT INTO hardstop.closure (chain_id, job_id, state)
    SELECT chain_id, id, state FROM finished WHERE blocking AND state <> 11
    ON CONFLICT (chain_id) DO UPDATE SET job_id = excluded.job_id, state = excluded.state
), freed AS (
    UPDATE hardstop.chain_key SET open = false
    WHERE open AND chain_id = ANY (ARRAY(SELECT chain_id FROM finished WHERE keyed AND state <> 11))
), wanted AS MATERIALIZED (
    SELECT s.id, s.type_id, s.type_ids, k.kind, k.state, k.place
    FROM hardstop.subscription s
    CROSS JOIN (
        VALUES (16::int2, 10, 0), (32::int2, 11, 0), (1::int2, 12, 0), (64::int2, 13, 0), (2::int2, NULL, 1)
    ) k (kind, state, place)
    WHERE s.kinds & k.kind <> 0
), told AS (
    INSERT INTO hardstop.delivery (subscription, kind, type_id, job_id, chain_id, job_state, outcome, attempt)
    SELECT w.id, w.kind, f.type_id, f.id, f.chain_id, f.state, f.outcome, f.attempt
    FROM wanted w
    JOIN finished f ON coalesce(w.type_id = f.type_id, true) AND coalesce(f.type_id = ANY (w.type_ids), true)
    WHERE CASE w.kind WHEN 2 THEN f.state <> 11 ELSE f.state = w.state END
    -- That a chain closed is told after what closed it.
    ORDER BY w.place
)
SELECT id, chain_id, type_id, lease_token, attempt, run, rescues, priority, claimed_at, blocking, keyed FROM finished
