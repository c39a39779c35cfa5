-- Deployments, newest first. ?1: the most.
SELECT id, name, component, created_at, specs
FROM deployment
ORDER BY created_at DESC, id DESC
LIMIT ?1
