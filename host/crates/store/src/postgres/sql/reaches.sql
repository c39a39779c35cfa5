-- Whether one of these chains waits, through whatever chains stand between them, for a certain one.
-- $1: the certain one. $2: these.
WITH RECURSIVE waits (chain_id) AS (
    SELECT * FROM unnest($2::uuid[])
    UNION
    SELECT b.chain_id
    FROM waits w
    JOIN LATERAL (
        SELECT id FROM hardstop.job_live WHERE id = w.chain_id AND state = 1
        UNION ALL
        SELECT id FROM hardstop.job_live WHERE chain_id = w.chain_id AND chain_id <> id AND state = 1
    ) j ON true
    JOIN hardstop.job_blocker b ON b.job_id = j.id AND b.closed_by IS NULL AND NOT b.overridden
)
SELECT chain_id FROM waits WHERE chain_id = $1 LIMIT 1
