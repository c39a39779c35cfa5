-- A page of the chains that were started with a deduplication key, newest first.
-- $1: older than this id. $2: the type of their first jobs. $3: whose last job is in one of these states; never
-- `continued`. $4: the most. $5: not older than this id. $6: the key.
SELECT p.chain_id AS id, t.name AS type_name, p.created_at, p.last_job, coalesce(l.state, d.state) AS state,
       d.outcome, d.finished_at, coalesce(l.priority, d.priority) AS priority,
       (SELECT k.key FROM hardstop.chain_key k WHERE k.chain_id = p.chain_id LIMIT 1) AS key,
       (SELECT count(*) FROM hardstop.job_live c WHERE c.id = p.chain_id)
       + (SELECT count(*) FROM hardstop.job_live c WHERE c.chain_id = p.chain_id AND c.chain_id <> c.id)
       + (SELECT count(*) FROM hardstop.job_done c WHERE c.id = p.chain_id)
       + (SELECT count(*) FROM hardstop.job_done c WHERE c.chain_id = p.chain_id AND c.chain_id <> c.id) AS jobs
FROM (
    SELECT k.chain_id, $2::int4 AS type_id, e.id AS last_job,
           coalesce((SELECT f.created_at FROM hardstop.job_done f WHERE f.id = k.chain_id), e.created_at) AS created_at
    FROM hardstop.chain_key k
    CROSS JOIN LATERAL (
        SELECT id, state, created_at FROM hardstop.job_live WHERE id = k.chain_id
        UNION ALL
        SELECT id, state, created_at FROM hardstop.job_live WHERE chain_id = k.chain_id AND chain_id <> id
        UNION ALL
        SELECT id, state, created_at FROM hardstop.job_done WHERE id = k.chain_id
        UNION ALL
        SELECT id, state, created_at FROM hardstop.job_done WHERE chain_id = k.chain_id AND chain_id <> id
    ) e
    WHERE k.type_id = $2 AND k.key = $6 AND k.chain_id < $1::uuid AND k.chain_id >= $5::uuid
      AND e.state = ANY ($3::int2[])
    ORDER BY k.chain_id DESC
    LIMIT $4
) p
JOIN hardstop.job_type t ON t.id = p.type_id
LEFT JOIN hardstop.job_live l ON l.id = p.last_job
LEFT JOIN hardstop.job_done d ON d.id = p.last_job
ORDER BY p.chain_id DESC
