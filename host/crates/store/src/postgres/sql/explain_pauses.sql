-- What is in force that keeps jobs of a type from being claimed; type 0 is all of them. $1: the type's name.
SELECT p.type_id = 0 AS everything, p.paused_at, p.until, p.actor, p.note
FROM hardstop.pause p
WHERE p.type_id = ANY (ARRAY[0, (SELECT t.id FROM hardstop.job_type t WHERE t.name = $1)])
  AND (p.until IS NULL OR p.until > clock_timestamp())
ORDER BY p.type_id
