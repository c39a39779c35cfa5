-- Makes scheduled jobs ready whose time has come. The clock is read once, in a subquery: a volatile
-- function in the condition itself could not bound the scan of the index.
WITH due AS MATERIALIZED (
    SELECT id FROM hardstop.job_live
    WHERE state = 2 AND due_at <= (SELECT clock_timestamp())
    ORDER BY due_at
    LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE hardstop.job_live SET state = 4, deadline_at = clock_timestamp() + deadline_ms * interval '1 millisecond'
WHERE id = ANY (ARRAY(SELECT id FROM due))
