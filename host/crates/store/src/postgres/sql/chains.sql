-- A page of chains, newest first. One statement, so that a chain that closes meanwhile is seen once.
-- An open chain is found by its live job, a closed one by its first job.
-- $1: older than this id. $2: whose first job has this type, or null. $3: whose last job is in one of these
-- states; never `continued`. $4: the most. $5, $6: whether to look among open and among closed chains at all.
-- $7: not older than this id. Open chains of one job are looked for as live jobs are in `jobs`.
WITH newest AS MATERIALIZED (
    SELECT *
    FROM (
        SELECT l.chain_id, l.id AS last_job, l.type_id, l.created_at, l.state
        FROM hardstop.job_live l
        WHERE $5::bool AND l.id < $1::uuid AND l.id >= $7::uuid
        ORDER BY l.id DESC
        LIMIT 10000
    ) n
    WHERE chain_id = last_job AND ($2::int4 IS NULL OR type_id = $2) AND state = ANY ($3::int2[])
    ORDER BY last_job DESC
    LIMIT $4
), beyond AS MATERIALIZED (
    SELECT id
    FROM hardstop.job_live
    WHERE $5 AND (SELECT count(*) FROM newest) < $4 AND id < $1 AND id >= $7
    ORDER BY id DESC
    OFFSET 10000
    LIMIT 1
)
SELECT p.chain_id AS id, t.name AS type_name, p.created_at, p.last_job, coalesce(l.state, d.state) AS state,
       d.outcome, d.finished_at, coalesce(l.priority, d.priority) AS priority,
       (SELECT k.key FROM hardstop.chain_key k WHERE k.chain_id = p.chain_id LIMIT 1) AS key,
       (SELECT count(*) FROM hardstop.job_live c WHERE c.id = p.chain_id)
       + (SELECT count(*) FROM hardstop.job_live c WHERE c.chain_id = p.chain_id AND c.chain_id <> c.id)
       + (SELECT count(*) FROM hardstop.job_done c WHERE c.id = p.chain_id)
       + (SELECT count(*) FROM hardstop.job_done c WHERE c.chain_id = p.chain_id AND c.chain_id <> c.id) AS jobs
FROM (
    (SELECT chain_id, last_job, type_id, created_at FROM newest)
    UNION ALL
    (
        SELECT chain_id, last_job, type_id, created_at
        FROM (
            SELECT l.chain_id, l.id AS last_job, l.type_id, l.created_at
            FROM hardstop.job_live l
            WHERE EXISTS (SELECT FROM beyond) AND l.chain_id = l.id AND ($2 IS NULL OR l.type_id = $2) AND l.state = ANY ($3)
            OFFSET 0
        ) r
        WHERE last_job <= (SELECT id FROM beyond) AND last_job >= $7
        ORDER BY last_job DESC
        LIMIT $4
    )
    UNION ALL
    (
        SELECT o.chain_id, o.last_job, o.type_id, o.created_at
        FROM (
            SELECT l.chain_id, l.id AS last_job,
                   coalesce((SELECT f.type_id FROM hardstop.job_done f WHERE f.id = l.chain_id), l.type_id) AS type_id,
                   coalesce((SELECT f.created_at FROM hardstop.job_done f WHERE f.id = l.chain_id), l.created_at) AS created_at
            FROM hardstop.job_live l
            WHERE $5 AND l.chain_id <> l.id AND l.chain_id < $1 AND l.chain_id >= $7 AND l.state = ANY ($3)
        ) o
        WHERE $2 IS NULL OR o.type_id = $2
        ORDER BY o.chain_id DESC
        LIMIT $4
    )
    UNION ALL
    (
        SELECT c.chain_id, c.last_job, c.type_id, c.created_at
        FROM (
            SELECT f.chain_id, f.type_id, f.created_at,
                   CASE WHEN f.state = 11 THEN (
                       SELECT e.id FROM hardstop.job_done e
                       WHERE e.chain_id = f.id AND e.chain_id <> e.id AND e.state = ANY ($3) LIMIT 1
                   ) WHEN f.state = ANY ($3) THEN f.id END AS last_job, f.id
            FROM hardstop.job_done f
            WHERE $6::bool AND $2 IS NULL AND f.chain_id = f.id AND f.id < $1 AND f.id >= $7
        ) c
        WHERE c.last_job IS NOT NULL
        ORDER BY c.id DESC
        LIMIT $4
    )
    UNION ALL
    (
        SELECT c.chain_id, c.last_job, c.type_id, c.created_at
        FROM (
            SELECT f.chain_id, f.type_id, f.created_at,
                   CASE WHEN f.state = 11 THEN (
                       SELECT e.id FROM hardstop.job_done e
                       WHERE e.chain_id = f.id AND e.chain_id <> e.id AND e.state = ANY ($3) LIMIT 1
                   ) WHEN f.state = ANY ($3) THEN f.id END AS last_job, f.id
            FROM hardstop.job_done f
            WHERE $6 AND f.type_id = $2 AND f.chain_id = f.id AND f.id < $1 AND f.id >= $7
        ) c
        WHERE c.last_job IS NOT NULL
        ORDER BY c.id DESC
        LIMIT $4
    )
    ORDER BY chain_id DESC
    LIMIT $4
) p
JOIN hardstop.job_type t ON t.id = p.type_id
LEFT JOIN hardstop.job_live l ON l.id = p.last_job
LEFT JOIN hardstop.job_done d ON d.id = p.last_job
ORDER BY p.chain_id DESC
