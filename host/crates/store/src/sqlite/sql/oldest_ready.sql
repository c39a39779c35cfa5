-- Of each type, when the ready job became due that waits longest. The index goes by priority first: one look for each
-- priority that there is. ?1: now.
WITH RECURSIVE first (type_id, priority) AS (
    SELECT t.id, (
        SELECT j.priority FROM job_live j WHERE j.state = 4 AND j.type_id = t.id ORDER BY j.priority LIMIT 1
    )
    FROM job_type t
    UNION ALL
    SELECT f.type_id, (
        SELECT j.priority FROM job_live j
        WHERE j.state = 4 AND j.type_id = f.type_id AND j.priority > f.priority
        ORDER BY j.priority
        LIMIT 1
    )
    FROM first f
    WHERE f.priority IS NOT NULL
)
SELECT t.name AS type_name, o.due_at, max(?1 - o.due_at, 0) AS age_us
FROM (
    SELECT f.type_id, min((
        SELECT j.due_at FROM job_live j
        WHERE j.state = 4 AND j.type_id = f.type_id AND j.priority = f.priority
        ORDER BY j.due_at
        LIMIT 1
    )) AS due_at
    FROM first f
    WHERE f.priority IS NOT NULL
    GROUP BY f.type_id
) o
JOIN job_type t ON t.id = o.type_id
ORDER BY t.name
