-- Gives jobs back to the queue, where they still carry the lease named (`held`; null: a queued job).
-- A null delay keeps the due time, and with it the place in the queue.
UPDATE hardstop.job_live j
SET state = CASE WHEN coalesce(r.delay_ms, 0) = 0 THEN 4 ELSE 2 END,
    due_at = CASE WHEN r.delay_ms IS NULL THEN j.due_at
                  ELSE clock_timestamp() + r.delay_ms * interval '1 millisecond' END,
    lease_token = NULL,
    attempt = j.attempt + r.attempt_change,
    snoozes = j.snoozes + r.snoozes_change,
    rescues = j.rescues + r.rescues_change
FROM unnest($1::uuid[], $2::int8[], $3::int8[], $4::int2[], $5::int4[], $6::int2[])
    AS r (id, held, delay_ms, attempt_change, snoozes_change, rescues_change)
WHERE j.id = r.id AND j.lease_token IS NOT DISTINCT FROM r.held
RETURNING j.id, j.chain_id, j.lease_token, j.attempt, j.run, j.rescues, j.priority, j.claimed_at
