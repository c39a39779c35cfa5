-- Makes scheduled jobs ready whose time has come. ?1: the most. ?2: now.
UPDATE job_live SET state = 4, deadline_at = ?2 + deadline_ms * 1000
WHERE id IN (SELECT id FROM job_live WHERE state = 2 AND due_at <= ?2 ORDER BY due_at LIMIT ?1)
RETURNING type_id, state
