-- Forgets pauses that are over. They have not counted since.
DELETE FROM hardstop.pause WHERE until <= (SELECT clock_timestamp())
