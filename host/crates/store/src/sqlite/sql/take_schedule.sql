-- One schedule, if it is due. The writer is alone in its transaction: nothing needs to be locked.
-- ?1: its name. ?2: now.
SELECT s.*, ?2 AS now
FROM schedule s
WHERE s.name = ?1 AND NOT s.paused AND s.next_at <= ?2
