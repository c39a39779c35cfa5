-- Deliveries of a subscription, newest first. ?1: the subscription. ?2: with lower numbers. ?3: in this state, or null.
-- ?4: the most.
SELECT d.id, d.kind, d.at, t.name AS type_name, d.job_id, d.chain_id, d.job_state, d.outcome, d.attempt, d.detail,
       d.state AS delivery_state, d.failures, d.failure, d.delivered_at
FROM delivery d
JOIN job_type t ON t.id = d.type_id
WHERE d.subscription = ?1 AND d.id < ?2 AND (?3 IS NULL OR d.state = ?3)
ORDER BY d.id DESC
LIMIT ?4
