-- Gives jobs back to the queue, where they still carry the lease named (`held`; null: a queued job).
-- Without a delay and a time the due time stays, and with it the place in the queue, and the job is ready.
-- One that is still blocked stays so; only its due time changes.
UPDATE hardstop.job_live j
SET state = CASE WHEN j.open_blockers > 0 THEN 1 WHEN r.due_at > r.now THEN 2 ELSE 4 END,
    due_at = coalesce(r.due_at, j.due_at),
    deadline_at = CASE WHEN j.open_blockers = 0 AND coalesce(r.due_at <= r.now, true)
                       THEN r.now + j.deadline_ms * interval '1 millisecond' END,
    lease_token = NULL,
    attempt = j.attempt + r.attempt_change,
    snoozes = j.snoozes + r.snoozes_change,
    snoozed_ms = j.snoozed_ms + r.snoozed_ms_change,
    rescues = j.rescues + r.rescues_change,
    larger_memory = j.larger_memory OR r.larger_memory
FROM (
    SELECT u.*, c.now,
           CASE WHEN u.delay_ms IS NOT NULL OR u.not_before IS NOT NULL
                THEN greatest(c.now + coalesce(u.delay_ms, 0) * interval '1 millisecond',
                              'epoch'::timestamptz + u.not_before * interval '1 microsecond') END AS due_at
    FROM unnest($1::uuid[], $2::int8[], $3::int8[], $4::int8[], $5::int2[], $6::int4[], $7::int8[], $8::int2[],
                $9::bool[])
        AS u (id, held, delay_ms, not_before, attempt_change, snoozes_change, snoozed_ms_change, rescues_change,
              larger_memory),
        (SELECT clock_timestamp() AS now) c
) r
WHERE j.id = r.id AND j.lease_token IS NOT DISTINCT FROM r.held
RETURNING j.id, j.chain_id, j.type_id, j.lease_token, j.attempt, j.run, j.rescues, j.priority, j.claimed_at, j.blocking, j.keyed
