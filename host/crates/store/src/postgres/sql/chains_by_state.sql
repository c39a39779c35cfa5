-- A page of chains whose last job is in a state that is rare beside the others, newest first: running,
-- discarded or cancelled. Ranges as in jobs_by_state, of an index that goes by the chain. By type, chains of one job are
-- found as jobs are, and those of more by an index of their own.
-- $1: older than this id. $2: whose first job has this type, or null. $3: the state. $4: the most.
-- $5: not older than this id.
SELECT p.chain_id AS id, t.name AS type_name, p.created_at, p.last_job, coalesce(l.state, d.state) AS state,
       d.outcome, d.finished_at, coalesce(l.priority, d.priority) AS priority,
       (SELECT k.key FROM hardstop.chain_key k WHERE k.chain_id = p.chain_id LIMIT 1) AS key,
       (SELECT count(*) FROM hardstop.job_live c WHERE c.id = p.chain_id)
       + (SELECT count(*) FROM hardstop.job_live c WHERE c.chain_id = p.chain_id AND c.chain_id <> c.id)
       + (SELECT count(*) FROM hardstop.job_done c WHERE c.id = p.chain_id)
       + (SELECT count(*) FROM hardstop.job_done c WHERE c.chain_id = p.chain_id AND c.chain_id <> c.id) AS jobs
FROM (
    SELECT j.chain_id, j.last_job,
           coalesce((SELECT f.type_id FROM hardstop.job_done f WHERE f.id = j.chain_id), j.type_id) AS type_id,
           coalesce((SELECT f.created_at FROM hardstop.job_done f WHERE f.id = j.chain_id), j.created_at) AS created_at
    FROM (
        SELECT * FROM (
            SELECT l.chain_id, l.id AS last_job, l.type_id, l.created_at
            FROM hardstop.job_live l
            WHERE $3::int2 = 5 AND l.state = 5 AND l.chain_id < $1::uuid AND l.chain_id >= $5::uuid
              AND ($2::int4 IS NULL
                   OR CASE WHEN l.id = l.chain_id THEN l.type_id
                        ELSE coalesce((SELECT f.type_id FROM hardstop.job_done f WHERE f.id = l.chain_id), l.type_id) END = $2)
            ORDER BY l.chain_id DESC
            LIMIT $4
        ) x1
        UNION ALL
        SELECT * FROM (
            SELECT d.chain_id, d.id AS last_job, d.type_id, d.created_at
            FROM hardstop.job_done d
            WHERE $3 IN (12, 13) AND $2 IS NULL AND d.state IN (12, 13)
              AND (d.state, d.chain_id) < ($3, $1) AND (d.state, d.chain_id) >= ($3, $5)
            ORDER BY d.state DESC, d.chain_id DESC
            LIMIT $4
        ) x2
        UNION ALL
        SELECT * FROM (
            SELECT d.chain_id, d.id AS last_job, d.type_id, d.created_at
            FROM hardstop.job_done d
            WHERE $3 IN (12, 13) AND $2 IS NOT NULL AND d.state IN (12, 13) AND d.chain_id = d.id
              AND (d.type_id, d.state, d.id) < ($2, $3, $1) AND (d.type_id, d.state, d.id) >= ($2, $3, $5)
              AND d.id < $1 AND d.id >= $5
            ORDER BY d.type_id DESC, d.state DESC, d.id DESC
            LIMIT $4
        ) x3
        UNION ALL
        SELECT * FROM (
            SELECT d.chain_id, d.id AS last_job, d.type_id, d.created_at
            FROM hardstop.job_done d
            WHERE $3 IN (12, 13) AND $2 IS NOT NULL AND d.state IN (12, 13) AND d.chain_id <> d.id
              AND (d.state, d.chain_id) < ($3, $1) AND (d.state, d.chain_id) >= ($3, $5)
              AND coalesce((SELECT f.type_id FROM hardstop.job_done f WHERE f.id = d.chain_id), d.type_id) = $2
            ORDER BY d.state DESC, d.chain_id DESC
            LIMIT $4
        ) x4
    ) j
    ORDER BY j.chain_id DESC
    LIMIT $4
) p
JOIN hardstop.job_type t ON t.id = p.type_id
LEFT JOIN hardstop.job_live l ON l.id = p.last_job
LEFT JOIN hardstop.job_done d ON d.id = p.last_job
ORDER BY p.chain_id DESC
