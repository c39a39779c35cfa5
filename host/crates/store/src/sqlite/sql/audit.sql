-- A page of changes, newest first. ?1: ids from this one on, ?2: and before this one. ?3: the actor, ?4: what was done,
-- ?5: to what; null: any. ?6: the most.
SELECT a.id, a.at, a.actor, a.token, a.action, a.subject, a.before, a.after
FROM audit a
WHERE a.id >= ?1 AND a.id < ?2
  AND (?3 IS NULL OR a.actor = ?3)
  AND (?4 IS NULL OR a.action = ?4)
  AND (?5 IS NULL OR a.subject = ?5)
ORDER BY a.id DESC
LIMIT ?6
