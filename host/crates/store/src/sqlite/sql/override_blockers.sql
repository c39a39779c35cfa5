-- Lets a blocked job run without the blockers that it still awaits. ?2: now.
UPDATE job_blocker SET overridden = 1 WHERE job_id = ?1 AND closed_by IS NULL;
UPDATE job_live SET open_blockers = 0, state = 4, due_at = ?2, deadline_at = ?2 + deadline_ms * 1000
WHERE id = ?1 AND state = 1
RETURNING type_id, state;
