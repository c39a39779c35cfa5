-- How many jobs of each type are in each state.
SELECT t.name AS type_name, c.state, c.count
FROM (SELECT type_id, state, sum(count)::int8 AS count FROM hardstop.job_count GROUP BY type_id, state) c
JOIN hardstop.job_type t ON t.id = c.type_id
WHERE c.count <> 0
ORDER BY t.name, c.state
