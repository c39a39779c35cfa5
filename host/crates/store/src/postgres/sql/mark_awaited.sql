-- Notes on a reopened job that others still wait for its chain.
UPDATE hardstop.job_live j SET blocking = true
WHERE j.id = $1
  AND EXISTS (SELECT FROM hardstop.job_blocker b WHERE b.chain_id = j.chain_id AND b.closed_by IS NULL AND NOT b.overridden)
