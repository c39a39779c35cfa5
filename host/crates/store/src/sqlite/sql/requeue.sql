-- Gives jobs back to the queue, where they still carry the lease named (`held`; null: a queued job).
-- A null delay keeps the due time, and with it the place in the queue.
-- ?1: JSON rows. ?2: now.
UPDATE job_live
SET state = CASE WHEN coalesce(r.delay_ms, 0) = 0 THEN 4 ELSE 2 END,
    due_at = coalesce(?2 + r.delay_ms * 1000, due_at),
    lease_token = NULL,
    attempt = attempt + r.attempt_change,
    snoozes = snoozes + r.snoozes_change,
    rescues = rescues + r.rescues_change
FROM (
    SELECT unhex(value ->> 'id') AS id, value ->> 'held' AS held, value ->> 'delay_ms' AS delay_ms,
           value ->> 'attempt_change' AS attempt_change, value ->> 'snoozes_change' AS snoozes_change,
           value ->> 'rescues_change' AS rescues_change
    FROM json_each(?1)
) r
WHERE job_live.id = r.id AND job_live.lease_token IS r.held
RETURNING id, chain_id, lease_token, attempt, run, rescues, priority, claimed_at
