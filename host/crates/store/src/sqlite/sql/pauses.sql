-- The pauses that are in force: of all types first, then by type. ?1: now.
SELECT t.name AS type_name, p.paused_at, p.until, p.actor, p.note
FROM pause p
LEFT JOIN job_type t ON t.id = p.type_id
WHERE (p.until IS NULL OR p.until > ?1) AND (p.type_id = 0 OR t.id IS NOT NULL)
ORDER BY t.name NULLS FIRST
