-- Lets a blocked job run without the blockers that it still awaits.
WITH overridden AS (
    UPDATE hardstop.job_blocker SET overridden = true WHERE job_id = $1 AND closed_by IS NULL
)
UPDATE hardstop.job_live
SET open_blockers = 0, state = 4, due_at = clock_timestamp(),
    deadline_at = clock_timestamp() + deadline_ms * interval '1 millisecond'
WHERE id = $1 AND state = 1
