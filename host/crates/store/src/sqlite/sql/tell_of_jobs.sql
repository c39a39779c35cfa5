-- Writes the events of jobs that have become final, one for each subscription that wants it. ?1: JSON rows, in order.
-- ?2: now.
INSERT INTO delivery (subscription, kind, at, type_id, job_id, chain_id, job_state, outcome, attempt)
SELECT s.id, k.value ->> 0, ?2, j.value ->> 'type_id', unhex(j.value ->> 'job_id'), unhex(j.value ->> 'chain_id'),
       j.value ->> 'state', j.value ->> 'outcome', j.value ->> 'attempt'
FROM json_each(?1) j
-- Kinds, and the state that each is of. That a chain closed is told after what closed it.
CROSS JOIN json_each('[[16,10],[32,11],[1,12],[64,13],[2,null]]') k
CROSS JOIN subscription s
WHERE s.kinds & (k.value ->> 0) <> 0
  AND (s.type_id IS NULL OR s.type_id = j.value ->> 'type_id')
  AND (s.type_ids IS NULL OR j.value ->> 'type_id' IN (SELECT value FROM json_each(s.type_ids)))
  AND CASE k.value ->> 0 WHEN 2 THEN j.value ->> 'state' <> 11 ELSE j.value ->> 'state' = k.value ->> 1 END
ORDER BY j.key, k.key
