-- What became of the last times of a schedule, latest first. ?1: its name. ?2: how many.
SELECT at, result, chain_id, note, created_at
FROM schedule_fire
WHERE schedule = ?1
ORDER BY at DESC
LIMIT ?2
