-- A listener that has not ended, locked for who goes on with it. $1: its id. $2: for how many microseconds one is kept that
-- nobody hears. $3: the place of the event that was heard last.
SELECT s.kinds, array_to_json(s.type_ids)::text AS type_ids, s.told,
       EXISTS (SELECT FROM hardstop.delivery d WHERE d.subscription = s.id AND d.position = $3 + 1) AS next_kept
FROM hardstop.subscription s
WHERE s.id = $1 AND s.state = 4 AND s.kinds <> 0 AND s.heard_at > clock_timestamp() - $2::int8 * interval '1 microsecond'
FOR UPDATE
