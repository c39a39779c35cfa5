-- Takes a subscription for which somebody is to look whether types are failing or stuck, and locks it. $1: for how many
-- microseconds nobody has.
UPDATE hardstop.subscription
SET checked_at = clock_timestamp()
WHERE id = (
    SELECT s.id
    FROM hardstop.subscription s
    WHERE s.kinds & 12 <> 0 AND s.checked_at <= clock_timestamp() - $1::int8 * interval '1 microsecond'
    ORDER BY s.checked_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING id, kinds, type_id, array_to_json(type_ids)::text AS type_ids, thresholds, episodes, clock_timestamp() AS now
