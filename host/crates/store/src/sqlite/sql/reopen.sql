-- Takes a discarded or cancelled job back to the queue, where its payload is still there. Its runs
-- keep counting, because attempt records are kept by run. Not where the chain has another live job: no operation makes
-- that, but if anything did, the chain must not fork. ?2: now.
INSERT INTO job_live (
    id, chain_id, created_at, due_at, claimed_at, type_id, run, priority, state, deadline_ms, deadline_at, blockers,
    on_blocker_failure, keyed
)
SELECT r.id, r.chain_id, r.created_at, ?2, r.started_at, r.type_id, r.run, r.priority, 4,
       t.external_deadline_ms, ?2 + t.external_deadline_ms * 1000,
       (SELECT count(*) FROM job_blocker b WHERE b.job_id = ?1), coalesce(i.on_blocker_failure, 0),
       EXISTS (SELECT 1 FROM chain_key k WHERE k.chain_id = r.chain_id)
FROM job_done r
JOIN job_body i ON i.id = r.id
LEFT JOIN job_type t ON t.id = r.type_id
WHERE r.id = ?1 AND r.state IN (12, 13)
  AND NOT EXISTS (SELECT 1 FROM job_live l WHERE l.id = r.chain_id)
  AND NOT EXISTS (SELECT 1 FROM job_live l WHERE l.chain_id = r.chain_id AND l.chain_id <> l.id)
RETURNING id, chain_id, type_id, blockers, keyed, (SELECT d.state FROM job_done d WHERE d.id = ?1) AS state;
DELETE FROM job_done WHERE id = ?1 AND id IN (SELECT id FROM job_live);
