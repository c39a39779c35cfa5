-- A page of jobs, newest first. One statement, so that a job that finishes meanwhile is seen once.
-- $1: older than this id. $2: of this type, or null. $3: in these states. $4: the most.
-- $5, $6: whether to look among live and among final jobs at all: a state is one or the other.
-- $7: not older than this id. Final jobs of a type are asked for as a range: see `jobs_by_state`.
-- Live jobs have no index by id that goes by type or state, for it would cost each job two more entries. So they are looked
-- for among the newest 10,000; where these do not fill the page and there are more, all others are read by whatever there
-- is or in the order in which they lie, which costs each a tenth as much: `OFFSET 0` keeps the bounds and the order by
-- id, which an index has, from where they are read.
WITH newest AS MATERIALIZED (
    SELECT *
    FROM (
        SELECT id, chain_id, type_id, state, NULL::int2 AS outcome, lease_token, attempt, rescues, snoozes, priority,
               created_at, due_at, claimed_at AS started_at, NULL::timestamptz AS finished_at
        FROM hardstop.job_live
        WHERE $5::bool AND id < $1::uuid AND id >= $7::uuid
        ORDER BY id DESC
        LIMIT 10000
    ) n
    WHERE ($2::int4 IS NULL OR type_id = $2) AND state = ANY ($3::int2[])
    ORDER BY id DESC
    LIMIT $4
), beyond AS MATERIALIZED (
    SELECT id
    FROM hardstop.job_live
    WHERE $5 AND (SELECT count(*) FROM newest) < $4 AND id < $1 AND id >= $7
    ORDER BY id DESC
    OFFSET 10000
    LIMIT 1
)
SELECT j.*, t.name AS type_name
FROM (
    (SELECT * FROM newest)
    UNION ALL
    (SELECT *
     FROM (
        SELECT id, chain_id, type_id, state, NULL::int2 AS outcome, lease_token, attempt, rescues, snoozes, priority,
               created_at, due_at, claimed_at AS started_at, NULL::timestamptz AS finished_at
        FROM hardstop.job_live
        WHERE EXISTS (SELECT FROM beyond) AND ($2 IS NULL OR type_id = $2) AND state = ANY ($3)
        OFFSET 0
     ) o
     WHERE id <= (SELECT id FROM beyond) AND id >= $7
     ORDER BY id DESC
     LIMIT $4)
    UNION ALL
    (SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
            created_at, due_at, started_at, finished_at
     FROM hardstop.job_done
     WHERE $6::bool AND $2 IS NULL AND id < $1 AND id >= $7 AND state = ANY ($3)
     ORDER BY id DESC
     LIMIT $4)
    UNION ALL
    (SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
            created_at, due_at, started_at, finished_at
     FROM hardstop.job_done
     WHERE $6 AND $2 IS NOT NULL AND (type_id, id) < ($2, $1) AND (type_id, id) >= ($2, $7)
       AND id < $1 AND id >= $7 AND state = ANY ($3)
     ORDER BY type_id DESC, id DESC
     LIMIT $4)
) j
JOIN hardstop.job_type t ON t.id = j.type_id
ORDER BY j.id DESC
LIMIT $4
