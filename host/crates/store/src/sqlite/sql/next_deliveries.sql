-- The deliveries of a subscription that are to be made next, in order. ?1: the subscription. ?2: the most.
SELECT d.id, d.kind, d.at, t.name AS type_name, d.job_id, d.chain_id, d.job_state, d.outcome, d.attempt, d.detail,
       d.state AS delivery_state, d.failures, d.failure, d.delivered_at
FROM delivery d
JOIN job_type t ON t.id = d.type_id
WHERE d.subscription = ?1 AND d.state = 1
ORDER BY d.id
LIMIT ?2
