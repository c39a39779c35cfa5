-- A page of the chains that were started with a deduplication key, newest first.
-- ?1: older than this id. ?2: the type of their first jobs. ?3: whose last job is in one of these states, a JSON list; never
-- `continued`. ?4: the most. ?5: not older than this id. ?6: the key.
SELECT p.chain_id AS id, t.name AS type_name, p.created_at, p.last_job, coalesce(l.state, d.state) AS state,
       d.outcome, d.finished_at, coalesce(l.priority, d.priority) AS priority,
       (SELECT k.key FROM chain_key k WHERE k.chain_id = p.chain_id LIMIT 1) AS key,
       (SELECT count(*) FROM job_live c WHERE c.id = p.chain_id)
       + (SELECT count(*) FROM job_live c WHERE c.chain_id = p.chain_id AND c.chain_id <> c.id)
       + (SELECT count(*) FROM job_done c WHERE c.id = p.chain_id)
       + (SELECT count(*) FROM job_done c WHERE c.chain_id = p.chain_id AND c.chain_id <> c.id) AS jobs
FROM (
    SELECT e.chain_id, ?2 AS type_id, e.last_job,
           coalesce(
               (SELECT f.created_at FROM job_done f WHERE f.id = e.chain_id),
               (SELECT f.created_at FROM job_live f WHERE f.id = e.last_job)
           ) AS created_at
    FROM (
        SELECT k.chain_id, coalesce(
                   (SELECT j.id FROM job_live j WHERE j.id = k.chain_id AND j.state IN (SELECT value FROM json_each(?3))),
                   (SELECT j.id FROM job_live j
                    WHERE j.chain_id = k.chain_id AND j.chain_id <> j.id
                      AND j.state IN (SELECT value FROM json_each(?3))),
                   (SELECT j.id FROM job_done j WHERE j.id = k.chain_id AND j.state IN (SELECT value FROM json_each(?3))),
                   (SELECT j.id FROM job_done j
                    WHERE j.chain_id = k.chain_id AND j.chain_id <> j.id
                      AND j.state IN (SELECT value FROM json_each(?3)))
               ) AS last_job
        FROM chain_key k
        WHERE k.type_id = ?2 AND k.key = ?6 AND k.chain_id < ?1 AND k.chain_id >= ?5
    ) e
    WHERE e.last_job IS NOT NULL
    ORDER BY e.chain_id DESC
    LIMIT ?4
) p
JOIN job_type t ON t.id = p.type_id
LEFT JOIN job_live l ON l.id = p.last_job
LEFT JOIN job_done d ON d.id = p.last_job
ORDER BY p.chain_id DESC
