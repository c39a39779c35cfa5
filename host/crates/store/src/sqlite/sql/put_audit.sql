-- Records a change. ?1: its id. ?2: who. ?3: with which token, or null. ?4: what was done. ?5: to what. ?6: what was,
-- ?7: what is, both JSON or null. ?8: now.
INSERT INTO audit (id, at, actor, token, action, subject, before, after)
VALUES (?1, ?8, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (id) DO NOTHING
