-- Of each type, when the ready job became due that waits longest. The index goes by priority first: one look for each
-- priority that there is.
WITH RECURSIVE first AS (
    SELECT t.id AS type_id, f.priority, f.due_at
    FROM hardstop.job_type t CROSS JOIN LATERAL (
        SELECT j.priority, j.due_at FROM hardstop.job_live j
        WHERE j.state = 4 AND j.type_id = t.id
        ORDER BY j.priority, j.due_at
        LIMIT 1
    ) f
    UNION ALL
    SELECT f.type_id, n.priority, n.due_at
    FROM first f CROSS JOIN LATERAL (
        SELECT j.priority, j.due_at FROM hardstop.job_live j
        WHERE j.state = 4 AND j.type_id = f.type_id AND j.priority > f.priority
        ORDER BY j.priority, j.due_at
        LIMIT 1
    ) n
)
SELECT t.name AS type_name, o.due_at, greatest(extract(epoch FROM clock_timestamp() - o.due_at) * 1000000, 0)::int8 AS age_us
FROM (SELECT type_id, min(due_at) AS due_at FROM first GROUP BY type_id) o
JOIN hardstop.job_type t ON t.id = o.type_id
ORDER BY t.name
