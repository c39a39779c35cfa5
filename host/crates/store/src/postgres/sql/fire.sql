-- Records what became of times of a schedule. The key lets each be recorded, and so fired, once. $1: its name. $2: times in
-- microseconds since 1970. $3: results. $4: chains. $5: notes.
INSERT INTO hardstop.schedule_fire (schedule, at, result, chain_id, note)
SELECT $1, 'epoch'::timestamptz + f.at * interval '1 microsecond', f.result, f.chain_id, f.note
FROM unnest($2::int8[], $3::int2[], $4::uuid[], $5::text[]) AS f (at, result, chain_id, note)
