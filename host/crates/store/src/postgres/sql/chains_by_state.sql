-- A page of chains whose last job is in a state that is rare beside the others, newest first: running,
-- discarded or cancelled. As in jobs_by_state; all chains of the state are sorted, for the index goes by the
-- last job's id.
-- $1: older than this id. $2: whose first job has this type, or null. $3: the state. $4: the most.
-- $5: not older than this id.
SELECT p.chain_id AS id, t.name AS type_name, p.created_at, p.last_job, coalesce(l.state, d.state) AS state,
       d.outcome, d.finished_at, coalesce(l.priority, d.priority) AS priority,
       (SELECT k.key FROM hardstop.chain_key k WHERE k.chain_id = p.chain_id LIMIT 1) AS key,
       (SELECT count(*) FROM hardstop.job_live c WHERE c.chain_id = p.chain_id)
       + (SELECT count(*) FROM hardstop.job_done c WHERE c.id = p.chain_id)
       + (SELECT count(*) FROM hardstop.job_done c WHERE c.chain_id = p.chain_id AND c.chain_id <> c.id) AS jobs
FROM (
    SELECT j.chain_id, j.last_job,
           coalesce((SELECT f.type_id FROM hardstop.job_done f WHERE f.id = j.chain_id), j.type_id) AS type_id,
           coalesce((SELECT f.created_at FROM hardstop.job_done f WHERE f.id = j.chain_id), j.created_at) AS created_at
    FROM (
        SELECT chain_id, id AS last_job, type_id, created_at
        FROM hardstop.job_live
        WHERE $3::int2 = 5 AND state = 5
        UNION ALL
        SELECT chain_id, id, type_id, created_at
        FROM hardstop.job_done
        WHERE $3 = 12 AND state = 12
        UNION ALL
        SELECT chain_id, id, type_id, created_at
        FROM hardstop.job_done
        WHERE $3 = 13 AND state = 13
    ) j
    WHERE j.chain_id < $1::uuid AND j.chain_id >= $5::uuid
      AND ($2::int4 IS NULL
           OR coalesce((SELECT f.type_id FROM hardstop.job_done f WHERE f.id = j.chain_id), j.type_id) = $2)
    ORDER BY j.chain_id DESC
    LIMIT $4
) p
JOIN hardstop.job_type t ON t.id = p.type_id
LEFT JOIN hardstop.job_live l ON l.id = p.last_job
LEFT JOIN hardstop.job_done d ON d.id = p.last_job
ORDER BY p.chain_id DESC
