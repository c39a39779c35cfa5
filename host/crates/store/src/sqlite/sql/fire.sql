-- Records what became of times of a schedule. The key lets each be recorded, and so fired, once. ?1: its name. ?2: JSON rows.
-- ?3: now.
INSERT INTO schedule_fire (schedule, at, result, chain_id, note, created_at)
SELECT ?1, f.value ->> 'at', f.value ->> 'result', unhex(f.value ->> 'chain_id'), f.value ->> 'note', ?3
FROM json_each(?2) f
