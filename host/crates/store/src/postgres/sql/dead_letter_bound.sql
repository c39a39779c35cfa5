-- The last of the newest dead letters, where there are as many. $1: in this state, 12 or 13. $2: of this type, or null.
-- $3: older than this id. $4: as many, less one. Asked for as ranges: see `jobs_by_state`.
SELECT id FROM (
    SELECT * FROM (
        SELECT id FROM hardstop.job_done
        WHERE $2::int4 IS NULL AND state IN (12, 13)
          AND (state, id) < ($1::int2, $3::uuid) AND (state, id) >= ($1, '00000000-0000-0000-0000-000000000000'::uuid) AND id < $3
        ORDER BY state DESC, id DESC
        LIMIT 1 OFFSET $4
    ) x1
    UNION ALL
    SELECT * FROM (
        SELECT id FROM hardstop.job_done
        WHERE $2 IS NOT NULL AND state IN (12, 13)
          AND (type_id, state, id) < ($2, $1, $3)
          AND (type_id, state, id) >= ($2, $1, '00000000-0000-0000-0000-000000000000'::uuid) AND id < $3
        ORDER BY type_id DESC, state DESC, id DESC
        LIMIT 1 OFFSET $4
    ) x2
) b
