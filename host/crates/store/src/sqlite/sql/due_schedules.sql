-- The schedules that are due next, and in how many microseconds; negative where one is due already.
-- ?1: how many. ?2: now.
SELECT name, next_at - ?2 AS due_in_us
FROM schedule
WHERE NOT paused AND next_at IS NOT NULL
ORDER BY next_at
LIMIT ?1
