-- Makes a schedule, or changes it; whether it is paused and what it started last stay. ?1: its name.
-- ?2: the type. ?3: the priority. ?4: now. ?5: when it is due. ?6: the specification. ?7: the input.
INSERT INTO schedule (name, type_id, priority, created_at, updated_at, next_at, spec, input)
VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)
ON CONFLICT (name) DO UPDATE
SET type_id = excluded.type_id, priority = excluded.priority, updated_at = excluded.updated_at,
    next_at = excluded.next_at, spec = excluded.spec, input = excluded.input
