-- Records a replay, once. ?5: now.
INSERT INTO replay (id, actor, note, filter, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (id) DO NOTHING
