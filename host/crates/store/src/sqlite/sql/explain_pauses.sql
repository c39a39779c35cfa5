-- What is in force that keeps jobs of a type from being claimed; type 0 is all of them. ?1: the type's name. ?2: now.
SELECT p.type_id = 0 AS everything, p.paused_at, p.until, p.actor, p.note
FROM pause p
WHERE p.type_id IN (0, (SELECT t.id FROM job_type t WHERE t.name = ?1))
  AND (p.until IS NULL OR p.until > ?2)
ORDER BY p.type_id
