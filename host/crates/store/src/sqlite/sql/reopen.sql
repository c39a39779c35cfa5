-- Takes a discarded or cancelled job back to the queue, where its payload is still there. Its runs
-- keep counting, because attempt records are kept by run. ?2: now.
INSERT INTO job_live (id, chain_id, created_at, due_at, claimed_at, type_id, run, snoozes, priority, state)
SELECT id, chain_id, created_at, ?2, started_at, type_id, run, snoozes, priority, 4
FROM job_done
WHERE id = ?1 AND state IN (12, 13) AND EXISTS (SELECT 1 FROM job_body WHERE id = ?1)
RETURNING id;
DELETE FROM job_done WHERE id = ?1 AND id IN (SELECT id FROM job_live);
