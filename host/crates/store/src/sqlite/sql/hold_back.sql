-- Blocks a reopened job that has to wait for so many chains again.
UPDATE job_live SET open_blockers = ?2, state = 1, deadline_at = NULL WHERE id = ?1
RETURNING type_id, state
