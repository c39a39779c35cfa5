-- A chain in a line, what its last job came to, and where the chain comes from. ?1: the chain.
SELECT p.chain_id AS id, t.name AS type_name, p.created_at, p.last_job, coalesce(l.state, d.state) AS state,
       d.outcome, d.finished_at, coalesce(l.priority, d.priority) AS priority,
       (SELECT k.key FROM chain_key k WHERE k.chain_id = p.chain_id LIMIT 1) AS key,
       (SELECT count(*) FROM job_live c WHERE c.id = p.chain_id)
       + (SELECT count(*) FROM job_live c WHERE c.chain_id = p.chain_id AND c.chain_id <> c.id)
       + (SELECT count(*) FROM job_done c WHERE c.id = p.chain_id)
       + (SELECT count(*) FROM job_done c WHERE c.chain_id = p.chain_id AND c.chain_id <> c.id) AS jobs,
       d.output, d.failure, b.parent_job, b.root_chain, b.depth
FROM (
    SELECT e.chain_id, e.id AS last_job,
           coalesce((SELECT f.type_id FROM job_done f WHERE f.id = ?1), e.type_id) AS type_id,
           coalesce((SELECT f.created_at FROM job_done f WHERE f.id = ?1), e.created_at) AS created_at
    FROM (
        SELECT chain_id, id, type_id, created_at FROM job_live WHERE id = ?1 AND chain_id = id
        UNION ALL
        SELECT chain_id, id, type_id, created_at FROM job_live WHERE chain_id = ?1 AND chain_id <> id
        UNION ALL
        SELECT chain_id, id, type_id, created_at FROM job_done WHERE id = ?1 AND chain_id = id AND state <> 11
        UNION ALL
        SELECT chain_id, id, type_id, created_at FROM job_done WHERE chain_id = ?1 AND chain_id <> id AND state <> 11
    ) e
) p
JOIN job_type t ON t.id = p.type_id
LEFT JOIN job_live l ON l.id = p.last_job
LEFT JOIN job_done d ON d.id = p.last_job
LEFT JOIN job_body b ON b.id = p.chain_id
