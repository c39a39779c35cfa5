-- A page of chains, newest first. One statement, so that a chain that closes meanwhile is seen once.
-- An open chain is found by its live job, a closed one by its first job.
-- ?1: older than this id. ?2: whose first job has this type, or null. ?3: whose last job is in one of these
-- states, a JSON list; never `continued`. ?4: the most. ?5, ?6: whether to look among open and among closed
-- chains at all. ?7: not older than this id.
SELECT p.chain_id AS id, t.name AS type_name, p.created_at, p.last_job, coalesce(l.state, d.state) AS state,
       d.outcome, d.finished_at, coalesce(l.priority, d.priority) AS priority,
       (SELECT k.key FROM chain_key k WHERE k.chain_id = p.chain_id LIMIT 1) AS key,
       (SELECT count(*) FROM job_live c WHERE c.id = p.chain_id)
       + (SELECT count(*) FROM job_live c WHERE c.chain_id = p.chain_id AND c.chain_id <> c.id)
       + (SELECT count(*) FROM job_done c WHERE c.id = p.chain_id)
       + (SELECT count(*) FROM job_done c WHERE c.chain_id = p.chain_id AND c.chain_id <> c.id) AS jobs
FROM (
    SELECT * FROM (
        SELECT l.chain_id, l.id AS last_job, l.type_id, l.created_at
        FROM job_live l
        WHERE ?5 AND l.chain_id = l.id AND l.id < ?1 AND l.id >= ?7 AND l.state IN (SELECT value FROM json_each(?3))
          AND (?2 IS NULL OR l.type_id = ?2)
        ORDER BY l.id DESC
        LIMIT ?4
    )
    UNION ALL
    SELECT * FROM (
        SELECT o.chain_id, o.last_job, o.type_id, o.created_at
        FROM (
            SELECT l.chain_id, l.id AS last_job,
                   coalesce((SELECT f.type_id FROM job_done f WHERE f.id = l.chain_id), l.type_id) AS type_id,
                   coalesce((SELECT f.created_at FROM job_done f WHERE f.id = l.chain_id), l.created_at) AS created_at
            FROM job_live l
            WHERE ?5 AND l.chain_id <> l.id AND l.chain_id < ?1 AND l.chain_id >= ?7
              AND l.state IN (SELECT value FROM json_each(?3))
        ) o
        WHERE ?2 IS NULL OR o.type_id = ?2
        ORDER BY o.chain_id DESC
        LIMIT ?4
    )
    UNION ALL
    SELECT * FROM (
        SELECT c.chain_id, c.last_job, c.type_id, c.created_at
        FROM (
            SELECT f.chain_id, f.type_id, f.created_at,
                   CASE WHEN f.state = 11 THEN (
                       SELECT e.id FROM job_done e
                       WHERE e.chain_id = f.id AND e.chain_id <> e.id AND e.state IN (SELECT value FROM json_each(?3)) LIMIT 1
                   ) WHEN f.state IN (SELECT value FROM json_each(?3)) THEN f.id END AS last_job, f.id
            FROM job_done f
            WHERE ?6 AND ?2 IS NULL AND f.chain_id = f.id AND f.id < ?1 AND f.id >= ?7
        ) c
        WHERE c.last_job IS NOT NULL
        ORDER BY c.id DESC
        LIMIT ?4
    )
    UNION ALL
    SELECT * FROM (
        SELECT c.chain_id, c.last_job, c.type_id, c.created_at
        FROM (
            SELECT f.chain_id, f.type_id, f.created_at,
                   CASE WHEN f.state = 11 THEN (
                       SELECT e.id FROM job_done e
                       WHERE e.chain_id = f.id AND e.chain_id <> e.id AND e.state IN (SELECT value FROM json_each(?3)) LIMIT 1
                   ) WHEN f.state IN (SELECT value FROM json_each(?3)) THEN f.id END AS last_job, f.id
            FROM job_done f
            WHERE ?6 AND f.type_id = ?2 AND f.chain_id = f.id AND f.id < ?1 AND f.id >= ?7
        ) c
        WHERE c.last_job IS NOT NULL
        ORDER BY c.id DESC
        LIMIT ?4
    )
    ORDER BY chain_id DESC
    LIMIT ?4
) p
JOIN job_type t ON t.id = p.type_id
LEFT JOIN job_live l ON l.id = p.last_job
LEFT JOIN job_done d ON d.id = p.last_job
ORDER BY p.chain_id DESC
