-- Makes a listener, unless there are too many. $1: its id. $2: the kinds. $3: the types, or null. $4: the thresholds. $5: who
-- listens. $6: the most that there may be.
INSERT INTO hardstop.subscription (id, kinds, type_ids, thresholds, actor, state, heard_at)
SELECT $1, $2, $3::int4[], $4, $5, 4, clock_timestamp()
WHERE (SELECT count(*) FROM hardstop.subscription WHERE state = 4 AND kinds <> 0) < $6
RETURNING lease
