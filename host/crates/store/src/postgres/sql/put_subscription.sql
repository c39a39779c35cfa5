-- Makes a subscription, unless there is one of the name. $1: its id. $2: its name. $3: the URL. $4: the kinds. $5: the type,
-- or null. $6: the thresholds. $7: who makes it. $8: the most that there may be.
INSERT INTO hardstop.subscription (id, name, url, kinds, type_id, thresholds, actor)
SELECT $1, $2, $3, $4, $5, $6, $7
WHERE (SELECT count(*) FROM hardstop.subscription WHERE state <> 4) < $8
ON CONFLICT (name) DO NOTHING
RETURNING id
