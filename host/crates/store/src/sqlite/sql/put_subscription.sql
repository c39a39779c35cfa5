-- Makes a subscription, unless there is one of the name. ?1: its id. ?2: its name. ?3: the URL. ?4: the kinds. ?5: the type,
-- or null. ?6: the thresholds. ?7: who makes it. ?8: the most that there may be. ?9: now.
INSERT INTO subscription (id, name, url, kinds, type_id, thresholds, actor, created_at, next_at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?9, ?9
WHERE (SELECT count(*) FROM subscription WHERE state <> 4) < ?8
ON CONFLICT (name) DO NOTHING
RETURNING id
