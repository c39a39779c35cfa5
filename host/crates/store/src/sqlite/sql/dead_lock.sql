-- Those of these jobs that are final. The writer is alone: nothing needs to be locked. ?1: JSON list.
SELECT d.id, d.state, d.outcome, d.failure,
       EXISTS (SELECT 1 FROM job_body b WHERE b.id = d.id) AS has_body,
       EXISTS (SELECT 1 FROM job_live l WHERE l.id = d.chain_id)
       OR EXISTS (SELECT 1 FROM job_live l WHERE l.chain_id = d.chain_id AND l.chain_id <> l.id) AS chain_live
FROM json_each(?1) i
CROSS JOIN job_done d ON d.id = unhex(i.value)
ORDER BY d.id
