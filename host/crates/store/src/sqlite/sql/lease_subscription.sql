-- Leases a subscription to whoever delivers its events, if nobody has it. ?1: its id. ?2: for how many microseconds.
-- ?3: now.
UPDATE subscription
SET lease = lease + 1, leased_until = ?3 + ?2
WHERE id = ?1 AND state = 1 AND next_at <= ?3 AND (leased_until IS NULL OR leased_until <= ?3)
RETURNING id, name, url, lease
