-- Every schedule, by name, without its input.
SELECT s.name, t.name AS type_name, s.priority, s.paused, s.next_at, s.created_at, s.updated_at, s.last_chain, s.spec
FROM schedule s
LEFT JOIN job_type t ON t.id = s.type_id
ORDER BY s.name
