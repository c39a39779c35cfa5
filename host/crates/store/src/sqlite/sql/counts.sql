-- How many jobs of each type are in each state.
SELECT t.name AS type_name, c.state, c.count
FROM job_count c
JOIN job_type t ON t.id = c.type_id
WHERE c.count <> 0
ORDER BY t.name, c.state
