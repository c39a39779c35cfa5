-- Subscriptions for which events wait that somebody may deliver now. ?1: now.
SELECT s.id
FROM subscription s
WHERE s.state = 1 AND s.next_at <= ?1 AND (s.leased_until IS NULL OR s.leased_until <= ?1)
  AND EXISTS (SELECT 1 FROM delivery d WHERE d.subscription = s.id AND d.state = 1)
ORDER BY s.next_at
