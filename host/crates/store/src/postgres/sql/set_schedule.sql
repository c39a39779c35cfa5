-- Sets what changes about a schedule that is locked. $1: its name. $2: whether it is paused. $3: when it
-- is due, in microseconds since 1970, or null. $4: what it started last.
UPDATE hardstop.schedule
SET paused = $2, next_at = 'epoch'::timestamptz + $3::int8 * interval '1 microsecond', last_chain = $4
WHERE name = $1
