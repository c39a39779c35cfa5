-- A page of dead letters, newest first. $1: in this state, 12 or 13. $2: of this type, or null. $3: older than this id.
-- $4: from this id on. $5: of this outcome, or null. $6: whose failure, as JSON, holds this text, or null (the caller
-- looks whether it is in the message). $7: of these ids, or null. $8: the most.
-- An arm for each way in, with the literal states that the partial indexes name; those that are not meant
-- are not run. Asked for as ranges: see `jobs_by_state`.
SELECT j.*, t.name AS type_name
FROM (
    (SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
            created_at, due_at, started_at, finished_at, failure
     FROM hardstop.job_done
     WHERE $2::int4 IS NULL AND $7::uuid[] IS NULL AND state IN (12, 13)
       AND (state, id) < ($1::int2, $3) AND (state, id) >= ($1, $4) AND id < $3 AND id >= $4
       AND ($5::int2 IS NULL OR outcome = $5) AND ($6::text IS NULL OR position($6 IN failure) > 0)
     ORDER BY state DESC, id DESC
     LIMIT $8)
    UNION ALL
    (SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
            created_at, due_at, started_at, finished_at, failure
     FROM hardstop.job_done
     WHERE $2 IS NOT NULL AND $7 IS NULL AND state IN (12, 13)
       AND (type_id, state, id) < ($2, $1, $3) AND (type_id, state, id) >= ($2, $1, $4) AND id < $3 AND id >= $4
       AND ($5 IS NULL OR outcome = $5) AND ($6 IS NULL OR position($6 IN failure) > 0)
     ORDER BY type_id DESC, state DESC, id DESC
     LIMIT $8)
    UNION ALL
    (SELECT d.*
     FROM unnest($7) AS w (id)
     -- Not pulled up: one look at the key for each id, however the table is estimated.
     CROSS JOIN LATERAL (
         SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
                created_at, due_at, started_at, finished_at, failure
         FROM hardstop.job_done
         WHERE id = w.id AND state = $1 AND state IN (12, 13) AND ($2 IS NULL OR type_id = $2)
           AND id < $3 AND id >= $4 AND ($5 IS NULL OR outcome = $5)
           AND ($6 IS NULL OR position($6 IN failure) > 0)
         OFFSET 0
     ) d
     ORDER BY d.id DESC
     LIMIT $8)
) j
JOIN hardstop.job_type t ON t.id = j.type_id
ORDER BY j.id DESC
LIMIT $8
