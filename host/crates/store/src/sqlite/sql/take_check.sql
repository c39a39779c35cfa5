-- Takes a subscription for which somebody is to look whether types are failing or stuck. ?1: for how many microseconds
-- nobody has. ?2: now.
UPDATE subscription
SET checked_at = ?2
WHERE id = (
    SELECT s.id
    FROM subscription s
    WHERE s.kinds & 12 <> 0 AND s.checked_at <= ?2 - ?1
    ORDER BY s.checked_at
    LIMIT 1
)
RETURNING id, kinds, type_id, type_ids, thresholds, episodes, ?2 AS now
