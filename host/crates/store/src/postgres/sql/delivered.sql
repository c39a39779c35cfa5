-- Records that a receiver has these events. $1: the subscription. $2: their numbers.
UPDATE hardstop.delivery
SET state = 2, delivered_at = clock_timestamp(), failure = NULL
WHERE subscription = $1 AND id = ANY ($2::int8[]) AND state = 1
