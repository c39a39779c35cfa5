-- A page of jobs of a state that is rare beside the others, newest first: running, continued, discarded or cancelled.
-- Each has a partial index, which only a literal state can use; by id, the whole backlog or history would be read.
-- ?1: older than this id. ?2: of this type, or null. ?3: the state. ?4: the most. ?5: not older than this id.
-- The index is named, and its condition repeated, because SQLite would not see that it applies.
SELECT j.*, t.name AS type_name
FROM (
    SELECT * FROM (
        SELECT id, chain_id, type_id, state, NULL AS outcome, lease_token, attempt, rescues, snoozes, priority,
               created_at, due_at, claimed_at AS started_at, NULL AS finished_at
        FROM job_live INDEXED BY job_live_running
        WHERE ?3 = 5 AND state = 5 AND id < ?1 AND id >= ?5 AND (?2 IS NULL OR type_id = ?2)
        ORDER BY id DESC
        LIMIT ?4
    )
    UNION ALL
    SELECT * FROM (
        SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
               created_at, due_at, started_at, finished_at
        FROM job_done INDEXED BY job_done_continued
        WHERE ?3 = 11 AND state = 11 AND id < ?1 AND id >= ?5 AND (?2 IS NULL OR type_id = ?2)
        ORDER BY id DESC
        LIMIT ?4
    )
    UNION ALL
    SELECT * FROM (
        SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
               created_at, due_at, started_at, finished_at
        FROM job_done INDEXED BY job_done_dead
        WHERE ?3 IN (12, 13) AND state IN (12, 13) AND state = ?3 AND id < ?1 AND id >= ?5 AND (?2 IS NULL OR type_id = ?2)
        ORDER BY id DESC
        LIMIT ?4
    )
) j
JOIN job_type t ON t.id = j.type_id
ORDER BY j.id DESC
LIMIT ?4
