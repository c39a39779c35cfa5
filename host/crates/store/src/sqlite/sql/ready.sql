-- The ready jobs of a type that are to run next, by the literal partial index. ?1: the type. ?2: the most.
SELECT id
FROM job_live
WHERE state = 4 AND type_id = ?1
ORDER BY priority, due_at, id
LIMIT ?2
