-- Every active type, by name, with its canary and the quarantine that holds it.
SELECT t.id, t.name AS type_name, t.deployment, t.deployed_at, t.spec, t.canary, t.canary_spec, t.canary_percent,
       c.created_at AS canary_at, q.component, q.deployment AS quarantined, q.began_at, q.released_at, q.attempts,
       q.faults, q.failure
FROM job_type t
LEFT JOIN deployment c ON c.id = t.canary
LEFT JOIN quarantine q ON q.type_id = t.id AND q.holds
ORDER BY t.name
