-- Changes counters. ?1: JSON list of [type, state, change].
INSERT INTO job_count (type_id, state, count)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1) WHERE true
ON CONFLICT (type_id, state) DO UPDATE SET count = count + excluded.count
