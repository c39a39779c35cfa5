-- The schedules that are due next, and in how many microseconds; negative where one is due already.
-- $1: how many.
SELECT name, (extract(epoch FROM next_at - clock_timestamp()) * 1000000)::int8 AS due_in_us
FROM hardstop.schedule
WHERE NOT paused AND next_at IS NOT NULL
ORDER BY next_at
LIMIT $1
