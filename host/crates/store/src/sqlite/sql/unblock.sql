-- Counts closed blockers off. A job whose last one closed is ready, or scheduled where its time has not come.
-- ?1: JSON list of [id, closed]. ?2: now.
UPDATE job_live
SET open_blockers = open_blockers - u.closed,
    state = CASE WHEN open_blockers > u.closed THEN 1 WHEN due_at > ?2 THEN 2 ELSE 4 END,
    due_at = CASE WHEN open_blockers > u.closed THEN due_at ELSE max(due_at, ?2) END,
    deadline_at = CASE WHEN open_blockers = u.closed AND due_at <= ?2 THEN ?2 + deadline_ms * 1000 END
FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS closed FROM json_each(?1)) u
WHERE job_live.id = u.id AND state = 1
RETURNING id, type_id, state
