-- The pauses that are in force: of all types first, then by type.
SELECT t.name AS type_name, p.paused_at, p.until, p.actor, p.note
FROM hardstop.pause p
LEFT JOIN hardstop.job_type t ON t.id = p.type_id
WHERE (p.until IS NULL OR p.until > clock_timestamp()) AND (p.type_id = 0 OR t.id IS NOT NULL)
ORDER BY t.name COLLATE "C" NULLS FIRST
