-- Those of these jobs that are final, locked in the order of their ids.
SELECT d.id, d.state, d.outcome, d.failure,
       EXISTS (SELECT FROM hardstop.job_body b WHERE b.id = d.id) AS has_body,
       EXISTS (SELECT FROM hardstop.job_live l WHERE l.id = d.chain_id)
       OR EXISTS (SELECT FROM hardstop.job_live l WHERE l.chain_id = d.chain_id AND l.chain_id <> l.id) AS chain_live
FROM hardstop.job_done d
WHERE d.id = ANY ($1::uuid[])
ORDER BY d.id
FOR UPDATE OF d
