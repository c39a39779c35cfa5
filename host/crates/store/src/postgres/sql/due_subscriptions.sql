-- Subscriptions for which events wait that somebody may deliver now.
SELECT s.id
FROM hardstop.subscription s
WHERE s.state = 1 AND s.next_at <= clock_timestamp() AND (s.leased_until IS NULL OR s.leased_until <= clock_timestamp())
  AND EXISTS (SELECT FROM hardstop.delivery d WHERE d.subscription = s.id AND d.state = 1)
ORDER BY s.next_at
