-- A page of jobs of a state that is rare beside the others, newest first: running, continued, discarded or cancelled.
-- Each has a partial index, which only a literal state can use; by id, the whole backlog or history would be read.
-- $1: older than this id. $2: of this type, or null. $3: the state. $4: the most. $5: not older than this id.
-- What was discarded or cancelled is asked for as a range of the index by state, or by type and state. Where it is a condition, to
-- walk all jobs by id may look cheaper: the planner believes that each type and each day has its share of each state. By the
-- bounds of the id alone it knows which days are not to be looked at.
WITH running AS MATERIALIZED (
    SELECT id, chain_id, type_id, state, NULL::int2 AS outcome, lease_token, attempt, rescues, snoozes, priority,
           created_at, due_at, claimed_at AS started_at, NULL::timestamptz AS finished_at
    FROM hardstop.job_live
    WHERE state = 5 AND id < $1::uuid AND id >= $5::uuid AND ($2::int4 IS NULL OR type_id = $2)
)
SELECT j.*, t.name AS type_name
FROM (
    (SELECT * FROM running WHERE $3::int2 = 5)
    UNION ALL
    (SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
            created_at, due_at, started_at, finished_at
     FROM hardstop.job_done
     WHERE $3 = 11 AND state = 11 AND id < $1 AND id >= $5 AND ($2 IS NULL OR type_id = $2)
     ORDER BY id DESC
     LIMIT $4)
    UNION ALL
    (SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
            created_at, due_at, started_at, finished_at
     FROM hardstop.job_done
     WHERE $3 IN (12, 13) AND $2 IS NULL AND state IN (12, 13)
       AND (state, id) < ($3, $1) AND (state, id) >= ($3, $5) AND id < $1 AND id >= $5
     ORDER BY state DESC, id DESC
     LIMIT $4)
    UNION ALL
    (SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
            created_at, due_at, started_at, finished_at
     FROM hardstop.job_done
     WHERE $3 IN (12, 13) AND $2 IS NOT NULL AND state IN (12, 13)
       AND (type_id, state, id) < ($2, $3, $1) AND (type_id, state, id) >= ($2, $3, $5) AND id < $1 AND id >= $5
     ORDER BY type_id DESC, state DESC, id DESC
     LIMIT $4)
) j
JOIN hardstop.job_type t ON t.id = j.type_id
ORDER BY j.id DESC
LIMIT $4
