-- Pauses a type, or all with type 0; a pause that is there already is replaced. Nothing where it would be
-- over already. ?1: the type. ?2: until; ?3: or for how many microseconds; both null: without end.
-- ?4: the actor. ?5: a note. ?6: now.
INSERT INTO pause (type_id, paused_at, until, actor, note)
SELECT ?1, ?6, n.until, ?4, ?5
FROM (SELECT coalesce(?2, ?6 + ?3) AS until) n
WHERE n.until IS NULL OR n.until > ?6
ON CONFLICT (type_id) DO UPDATE
SET paused_at = excluded.paused_at, until = excluded.until, actor = excluded.actor, note = excluded.note
RETURNING paused_at, until, actor, note
