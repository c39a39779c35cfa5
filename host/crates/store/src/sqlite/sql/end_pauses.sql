-- Forgets pauses that are over. They have not counted since. ?1: now.
DELETE FROM pause WHERE until <= ?1
