-- What became of a type's deployments, newest first. $1: the type. $2: the most.
SELECT deployment, at, kind, percent, note
FROM hardstop.type_event
WHERE type_id = $1
ORDER BY id DESC
LIMIT $2
