-- A page of dead letters, newest first. ?1: in this state, 12 or 13. ?2: of this type, or null. ?3: older than this id.
-- ?4: from this id on. ?5: of this outcome, or null. ?6: whose failure, as JSON, holds this text, or null (the caller
-- looks whether it is in the message). ?7: of these ids, a JSON list, or null. ?8: the most.
-- An arm for each state and way in, with the condition of the partial indexes word for word: SQLite infers nothing.
SELECT j.*, t.name AS type_name
FROM (
    SELECT * FROM (
        SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
               created_at, due_at, started_at, finished_at, failure
        FROM job_done
        WHERE ?1 = 12 AND ?2 IS NULL AND ?7 IS NULL AND state = 12 AND state IN (12, 13)
          AND id < ?3 AND id >= ?4 AND (?5 IS NULL OR outcome = ?5)
          AND (?6 IS NULL OR instr(failure, ?6) > 0)
        ORDER BY id DESC
        LIMIT ?8
    )
    UNION ALL
    SELECT * FROM (
        SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
               created_at, due_at, started_at, finished_at, failure
        FROM job_done
        WHERE ?1 = 12 AND ?2 IS NOT NULL AND ?7 IS NULL AND type_id = ?2 AND state = 12 AND state IN (12, 13)
          AND id < ?3 AND id >= ?4 AND (?5 IS NULL OR outcome = ?5)
          AND (?6 IS NULL OR instr(failure, ?6) > 0)
        ORDER BY id DESC
        LIMIT ?8
    )
    UNION ALL
    SELECT * FROM (
        SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
               created_at, due_at, started_at, finished_at, failure
        FROM job_done
        WHERE ?1 = 13 AND ?2 IS NULL AND ?7 IS NULL AND state = 13 AND state IN (12, 13)
          AND id < ?3 AND id >= ?4 AND (?5 IS NULL OR outcome = ?5)
          AND (?6 IS NULL OR instr(failure, ?6) > 0)
        ORDER BY id DESC
        LIMIT ?8
    )
    UNION ALL
    SELECT * FROM (
        SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
               created_at, due_at, started_at, finished_at, failure
        FROM job_done
        WHERE ?1 = 13 AND ?2 IS NOT NULL AND ?7 IS NULL AND type_id = ?2 AND state = 13 AND state IN (12, 13)
          AND id < ?3 AND id >= ?4 AND (?5 IS NULL OR outcome = ?5)
          AND (?6 IS NULL OR instr(failure, ?6) > 0)
        ORDER BY id DESC
        LIMIT ?8
    )
    UNION ALL
    SELECT * FROM (
        SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
               created_at, due_at, started_at, finished_at, failure
        FROM job_done
        WHERE id IN (SELECT unhex(value) FROM json_each(?7)) AND state = ?1 AND state IN (12, 13)
          AND (?2 IS NULL OR type_id = ?2)
          AND id < ?3 AND id >= ?4 AND (?5 IS NULL OR outcome = ?5)
          AND (?6 IS NULL OR instr(failure, ?6) > 0)
        ORDER BY id DESC
        LIMIT ?8
    )
) j
JOIN job_type t ON t.id = j.type_id
ORDER BY j.id DESC
LIMIT ?8
