-- Pauses a type, or all with type 0; a pause that is there already is replaced. Nothing where it would be
-- over already. $1: the type. $2: until, in microseconds since 1970; $3: or for how many microseconds; both
-- null: without end. $4: the actor. $5: a note.
INSERT INTO hardstop.pause (type_id, paused_at, until, actor, note)
SELECT $1, n.now, n.until, $4, $5
FROM (
    SELECT c.now, coalesce(
        'epoch'::timestamptz + $2::int8 * interval '1 microsecond',
        c.now + $3::int8 * interval '1 microsecond'
    ) AS until
    FROM (SELECT clock_timestamp() AS now) c
) n
WHERE n.until IS NULL OR n.until > n.now
ON CONFLICT (type_id) DO UPDATE
SET paused_at = excluded.paused_at, until = excluded.until, actor = excluded.actor, note = excluded.note
RETURNING paused_at, until, actor, note
