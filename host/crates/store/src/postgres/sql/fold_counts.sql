-- Puts the rows of counters that say the same in the place of one another, and forgets those that come to nothing. Readers
-- see either all the old rows or all the new ones.
WITH old AS (
    DELETE FROM hardstop.job_count RETURNING type_id, state, day, count
)
INSERT INTO hardstop.job_count (type_id, state, day, count)
SELECT type_id, state, day, sum(count) FROM old GROUP BY type_id, state, day HAVING sum(count) <> 0
