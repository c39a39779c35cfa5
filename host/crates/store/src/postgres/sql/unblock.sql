-- Counts closed blockers off. A job whose last one closed is ready, or scheduled where its time has not come.
UPDATE hardstop.job_live j
SET open_blockers = j.open_blockers - u.closed,
    state = CASE WHEN j.open_blockers > u.closed THEN 1 WHEN j.due_at > u.now THEN 2 ELSE 4 END,
    due_at = CASE WHEN j.open_blockers > u.closed THEN j.due_at ELSE greatest(j.due_at, u.now) END,
    deadline_at = CASE WHEN j.open_blockers = u.closed AND j.due_at <= u.now
                       THEN u.now + j.deadline_ms * interval '1 millisecond' END
FROM (
    SELECT n.*, c.now
    FROM unnest($1::uuid[], $2::int4[]) AS n (id, closed), (SELECT clock_timestamp() AS now) c
) u
WHERE j.id = u.id AND j.state = 1
RETURNING j.id, j.state
