-- Writes the events of jobs that have become final, one for each subscription that wants it. ?1: JSON rows, in order.
-- ?2: now.
INSERT INTO delivery (subscription, kind, at, type_id, job_id, chain_id, job_state, outcome, attempt)
SELECT s.id, k.value, ?2, j.value ->> 'type_id', unhex(j.value ->> 'job_id'), unhex(j.value ->> 'chain_id'),
       j.value ->> 'state', j.value ->> 'outcome', j.value ->> 'attempt'
FROM json_each(?1) j
CROSS JOIN json_each('[1,2]') k
CROSS JOIN subscription s
WHERE s.kinds & k.value <> 0 AND (s.type_id IS NULL OR s.type_id = j.value ->> 'type_id')
  AND CASE k.value WHEN 1 THEN j.value ->> 'state' = 12 ELSE j.value ->> 'state' <> 11 END
ORDER BY j.key, k.value
