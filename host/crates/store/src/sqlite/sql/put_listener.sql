-- Makes a listener, unless there are too many. ?1: its id. ?2: the kinds. ?3: the types, a JSON list or null. ?4: the
-- thresholds. ?5: who listens. ?6: the most that there may be. ?7: now.
INSERT INTO subscription (id, kinds, type_ids, thresholds, actor, state, created_at, next_at, heard_at)
SELECT ?1, ?2, ?3, ?4, ?5, 4, ?7, ?7, ?7
WHERE (SELECT count(*) FROM subscription WHERE state = 4 AND kinds <> 0) < ?6
RETURNING lease
