-- Whether one of these chains waits, through whatever chains stand between them, for a certain one.
-- ?1: the certain one. ?2: these, a JSON list.
WITH RECURSIVE waits (chain_id) AS (
    SELECT unhex(value) FROM json_each(?2)
    UNION
    SELECT b.chain_id
    FROM waits w
    CROSS JOIN job_live j ON j.id = w.chain_id AND j.state = 1
    CROSS JOIN job_blocker b ON b.job_id = j.id AND b.closed_by IS NULL AND NOT b.overridden
    UNION
    SELECT b.chain_id
    FROM waits w
    CROSS JOIN job_live j ON j.chain_id = w.chain_id AND j.chain_id <> j.id AND j.state = 1
    CROSS JOIN job_blocker b ON b.job_id = j.id AND b.closed_by IS NULL AND NOT b.overridden
)
SELECT chain_id FROM waits WHERE chain_id = ?1 LIMIT 1
