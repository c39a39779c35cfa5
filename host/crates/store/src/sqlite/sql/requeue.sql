-- Gives jobs back to the queue, where they still carry the lease named (`held`; null: a queued job).
-- Without a delay and a time the due time stays, and with it the place in the queue, and the job is ready.
-- One that is still blocked stays so; only its due time changes.
-- ?1: JSON rows. ?2: now.
UPDATE job_live
SET state = CASE WHEN open_blockers > 0 THEN 1 WHEN r.due_at > ?2 THEN 2 ELSE 4 END,
    due_at = coalesce(r.due_at, job_live.due_at),
    deadline_at = CASE WHEN open_blockers = 0 AND coalesce(r.due_at <= ?2, 1) THEN ?2 + deadline_ms * 1000 END,
    lease_token = NULL,
    attempt = attempt + r.attempt_change,
    snoozes = snoozes + r.snoozes_change,
    snoozed_ms = snoozed_ms + r.snoozed_ms_change,
    rescues = rescues + r.rescues_change,
    larger_memory = job_live.larger_memory OR r.larger_memory
FROM (
    SELECT unhex(value ->> 'id') AS id, value ->> 'held' AS held,
           CASE WHEN value ->> 'delay_ms' IS NOT NULL OR value ->> 'not_before' IS NOT NULL
                THEN max(?2 + coalesce(value ->> 'delay_ms', 0) * 1000, coalesce(value ->> 'not_before', 0)) END AS due_at,
           value ->> 'attempt_change' AS attempt_change, value ->> 'snoozes_change' AS snoozes_change,
           value ->> 'snoozed_ms_change' AS snoozed_ms_change, value ->> 'rescues_change' AS rescues_change,
           value ->> 'larger_memory' AS larger_memory
    FROM json_each(?1)
) r
WHERE job_live.id = r.id AND job_live.lease_token IS r.held
RETURNING id, chain_id, type_id, state, lease_token, attempt, run, rescues, priority, claimed_at, blocking, keyed
