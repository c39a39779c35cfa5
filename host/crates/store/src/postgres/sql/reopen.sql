-- Takes a discarded or cancelled job back to the queue, where its payload is still there. Its runs
-- keep counting, because attempt records are kept by run. Not where the chain has another live job: no operation makes
-- that, but if anything did, the chain must not fork.
WITH reopened AS (
    DELETE FROM hardstop.job_done d
    WHERE d.id = $1 AND d.state IN (12, 13) AND EXISTS (SELECT FROM hardstop.job_body b WHERE b.id = $1)
      AND NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.id = d.chain_id)
      AND NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.chain_id = d.chain_id AND l.chain_id <> l.id)
    RETURNING d.*
)
INSERT INTO hardstop.job_live (
    id, chain_id, created_at, due_at, claimed_at, type_id, run, priority, state, deadline_ms, deadline_at, blockers,
    on_blocker_failure, keyed
)
SELECT r.id, r.chain_id, r.created_at, c.now, r.started_at, r.type_id, r.run, r.priority, 4,
       t.external_deadline_ms, c.now + t.external_deadline_ms * interval '1 millisecond',
       (SELECT count(*) FROM hardstop.job_blocker b WHERE b.job_id = $1), coalesce(i.on_blocker_failure, 0),
       EXISTS (SELECT FROM hardstop.chain_key k WHERE k.chain_id = r.chain_id)
FROM reopened r
JOIN hardstop.job_body i ON i.id = r.id
LEFT JOIN hardstop.job_type t ON t.id = r.type_id
CROSS JOIN (SELECT clock_timestamp() AS now) c
RETURNING id, chain_id, blockers, keyed
