-- Takes a discarded or cancelled job back to the queue, where its payload is still there. Its runs
-- keep counting, because attempt records are kept by run.
WITH reopened AS (
    DELETE FROM hardstop.job_done d
    WHERE d.id = $1 AND d.state IN (12, 13) AND EXISTS (SELECT FROM hardstop.job_body b WHERE b.id = $1)
    RETURNING *
)
INSERT INTO hardstop.job_live (id, chain_id, created_at, due_at, claimed_at, type_id, run, snoozes, priority, state)
SELECT id, chain_id, created_at, clock_timestamp(), started_at, type_id, run, snoozes, priority, 4
FROM reopened
RETURNING id
