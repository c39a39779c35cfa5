-- Deletes a schedule that is locked, with its history. $1: its name.
WITH fires AS (
    DELETE FROM hardstop.schedule_fire WHERE schedule = $1
)
DELETE FROM hardstop.schedule WHERE name = $1
