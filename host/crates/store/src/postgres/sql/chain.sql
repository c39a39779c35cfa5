-- The jobs of a chain, oldest first.
SELECT j.*, t.name AS type_name
FROM (
    SELECT id, chain_id, type_id, state, NULL::int2 AS outcome, lease_token, attempt, rescues, snoozes, priority,
           created_at, due_at, claimed_at AS started_at, NULL::timestamptz AS finished_at
    FROM hardstop.job_live WHERE id = $1 AND chain_id = $1
    UNION ALL
    SELECT id, chain_id, type_id, state, NULL::int2 AS outcome, lease_token, attempt, rescues, snoozes, priority,
           created_at, due_at, claimed_at AS started_at, NULL::timestamptz AS finished_at
    FROM hardstop.job_live WHERE chain_id = $1 AND chain_id <> id
    UNION ALL
    SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
           created_at, due_at, started_at, finished_at
    FROM hardstop.job_done WHERE id = $1 AND chain_id = $1
    UNION ALL
    SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
           created_at, due_at, started_at, finished_at
    FROM hardstop.job_done WHERE chain_id = $1 AND chain_id <> id
) j
JOIN hardstop.job_type t ON t.id = j.type_id
ORDER BY j.created_at, j.id
