-- Forgets idempotency keys. $1: those that are older than so many microseconds.
DELETE FROM hardstop.request r
WHERE r.at < clock_timestamp() - $1::int8 * interval '1 microsecond'
