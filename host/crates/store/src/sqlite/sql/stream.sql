-- What comes behind a place in a listener's stream, in order. ?1: the listener. ?2: the place. ?3: the most.
SELECT d.position, d.id, d.kind, d.at, t.name AS type_name, d.job_id, d.chain_id, d.job_state, d.outcome, d.attempt, d.detail,
       d.state AS delivery_state, d.failures, d.failure, d.delivered_at
FROM delivery d
JOIN job_type t ON t.id = d.type_id
WHERE d.subscription = ?1 AND d.position > ?2
ORDER BY d.position
LIMIT ?3
