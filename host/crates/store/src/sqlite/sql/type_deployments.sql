-- The deployments that a type was ever in, newest first. ?1: the type. ?2: the most.
SELECT d.id, d.name, d.component, d.created_at, q.began_at IS NOT NULL AS quarantined
FROM deployment d
LEFT JOIN quarantine q ON q.type_id = ?1 AND q.component = d.component AND q.released_at IS NULL
WHERE d.id IN (SELECT e.deployment FROM type_event e WHERE e.type_id = ?1)
ORDER BY d.created_at DESC, d.id DESC
LIMIT ?2
