-- Every component, newest first, with the types that it serves.
SELECT c.digest, c.name, c.size_bytes, c.created_at,
       coalesce((SELECT json_agg(t.name ORDER BY t.name) FROM hardstop.job_type t WHERE t.component = c.digest), '[]')::text
           AS types
FROM hardstop.component c
ORDER BY c.created_at DESC, c.digest
