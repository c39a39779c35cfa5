-- Forgets all but the last times of each schedule. ?1: how many to keep.
DELETE FROM schedule_fire
WHERE at < (
    SELECT k.at FROM schedule_fire k
    WHERE k.schedule = schedule_fire.schedule
    ORDER BY k.at DESC
    LIMIT 1 OFFSET ?1 - 1
)
