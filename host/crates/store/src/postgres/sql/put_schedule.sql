-- Makes a schedule, or changes it; whether it is paused and what it started last stay. $1: its name.
-- $2: the type. $3: the priority. $4: now, $5: when it is due, in microseconds since 1970. $6: the
-- specification. $7: the input.
INSERT INTO hardstop.schedule (name, type_id, priority, created_at, updated_at, next_at, spec, input)
SELECT $1, $2, $3, t.now, t.now, 'epoch'::timestamptz + $5::int8 * interval '1 microsecond', $6, $7
FROM (SELECT 'epoch'::timestamptz + $4::int8 * interval '1 microsecond' AS now) t
ON CONFLICT (name) DO UPDATE
SET type_id = excluded.type_id, priority = excluded.priority, updated_at = excluded.updated_at,
    next_at = excluded.next_at, spec = excluded.spec, input = excluded.input
