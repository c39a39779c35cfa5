-- Records a replay, once.
INSERT INTO hardstop.replay (id, actor, note, filter) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO NOTHING
