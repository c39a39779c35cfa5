-- The last of the newest dead letters, where there are as many. $1: in this state, 12 or 13. $2: of this type, or null.
-- $3: older than this id. $4: as many, less one.
SELECT id FROM (
    SELECT * FROM (
        SELECT id FROM hardstop.job_done
        WHERE $2::int4 IS NULL AND state = $1::int2 AND state IN (12, 13) AND id < $3::uuid
        ORDER BY id DESC
        LIMIT 1 OFFSET $4
    ) x1
    UNION ALL
    SELECT * FROM (
        SELECT id FROM hardstop.job_done
        WHERE type_id = $2 AND state = $1 AND state IN (12, 13) AND id < $3
        ORDER BY id DESC
        LIMIT 1 OFFSET $4
    ) x2
) b
