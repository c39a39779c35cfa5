-- Every component, newest first, with the types that it serves.
SELECT c.digest, c.name, c.size_bytes, c.created_at,
       (SELECT json_group_array(name) FROM (SELECT t.name FROM job_type t WHERE t.component = c.digest ORDER BY t.name))
           AS types
FROM component c
ORDER BY c.created_at DESC, c.digest
