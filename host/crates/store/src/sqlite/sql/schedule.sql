-- One schedule. ?1: its name.
SELECT s.name, t.name AS type_name, s.priority, s.paused, s.next_at, s.created_at, s.updated_at, s.last_chain,
       s.spec, s.input
FROM schedule s
LEFT JOIN job_type t ON t.id = s.type_id
WHERE s.name = ?1
