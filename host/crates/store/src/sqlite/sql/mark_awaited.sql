-- Notes on a reopened job that others still wait for its chain.
UPDATE job_live SET blocking = 1
WHERE id = ?1
  AND EXISTS (SELECT 1 FROM job_blocker b WHERE b.chain_id = job_live.chain_id AND b.closed_by IS NULL AND NOT b.overridden)
