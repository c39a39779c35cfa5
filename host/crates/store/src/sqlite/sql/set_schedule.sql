-- Sets what changes about a schedule. ?1: its name. ?2: whether it is paused. ?3: when it is due, or null.
-- ?4: what it started last.
UPDATE schedule SET paused = ?2, next_at = ?3, last_chain = ?4 WHERE name = ?1
