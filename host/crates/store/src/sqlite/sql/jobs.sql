-- A page of jobs, newest first. One statement, so that a job that finishes meanwhile is seen once.
-- ?1: older than this id. ?2: of this type, or null. ?3: in these states, a JSON list. ?4: the most.
-- ?5, ?6: whether to look among live and among final jobs at all: a state is one or the other.
-- ?7: not older than this id.
SELECT j.*, t.name AS type_name
FROM (
    SELECT * FROM (
        SELECT id, chain_id, type_id, state, NULL AS outcome, lease_token, attempt, rescues, snoozes, priority,
               created_at, due_at, claimed_at AS started_at, NULL AS finished_at
        FROM job_live
        WHERE ?5 AND id < ?1 AND id >= ?7 AND (?2 IS NULL OR type_id = ?2) AND state IN (SELECT value FROM json_each(?3))
        ORDER BY id DESC
        LIMIT ?4
    )
    UNION ALL
    SELECT * FROM (
        SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
               created_at, due_at, started_at, finished_at
        FROM job_done
        WHERE ?6 AND ?2 IS NULL AND id < ?1 AND id >= ?7 AND state IN (SELECT value FROM json_each(?3))
        ORDER BY id DESC
        LIMIT ?4
    )
    UNION ALL
    SELECT * FROM (
        SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
               created_at, due_at, started_at, finished_at
        FROM job_done
        WHERE ?6 AND type_id = ?2 AND id < ?1 AND id >= ?7 AND state IN (SELECT value FROM json_each(?3))
        ORDER BY id DESC
        LIMIT ?4
    )
) j
JOIN job_type t ON t.id = j.type_id
ORDER BY j.id DESC
LIMIT ?4
