-- Components in quarantine, the newest first of each type. ?1: the type; null: all.
SELECT t.name AS type_name, q.component, q.deployment AS quarantined, q.began_at, q.attempts, q.faults, q.failure
FROM quarantine q
JOIN job_type t ON t.id = q.type_id
WHERE q.released_at IS NULL AND (?1 IS NULL OR q.type_id = ?1)
ORDER BY t.name, q.began_at DESC
