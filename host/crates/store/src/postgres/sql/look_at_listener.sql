-- What there is for a listener that has not ended. $1: its id. $2: how many microseconds later it is to be said again that
-- somebody hears it.
SELECT s.lease, s.told,
       EXISTS (SELECT FROM hardstop.delivery d WHERE d.subscription = s.id AND d.state = 1) AS waiting,
       s.heard_at <= clock_timestamp() - $2::int8 * interval '1 microsecond' AS stale
FROM hardstop.subscription s
WHERE s.id = $1 AND s.state = 4 AND s.kinds <> 0
