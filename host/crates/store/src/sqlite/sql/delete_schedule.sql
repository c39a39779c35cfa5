-- Deletes a schedule with its history. ?1: its name.
DELETE FROM schedule_fire WHERE schedule = ?1;
DELETE FROM schedule WHERE name = ?1;
