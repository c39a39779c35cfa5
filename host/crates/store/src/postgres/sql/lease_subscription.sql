-- Leases a subscription to whoever delivers its events, if nobody has it. $1: its id. $2: for how many microseconds.
UPDATE hardstop.subscription
SET lease = lease + 1, leased_until = clock_timestamp() + $2::int8 * interval '1 microsecond'
WHERE id = $1 AND state = 1 AND next_at <= clock_timestamp()
  AND (leased_until IS NULL OR leased_until <= clock_timestamp())
RETURNING id, name, url, lease
