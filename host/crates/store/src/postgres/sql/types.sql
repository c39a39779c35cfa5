-- Every active type, by name, with its canary and the quarantine that holds it. The collation is fixed, so that both
-- databases agree.
SELECT t.id, t.name AS type_name, t.deployment, t.deployed_at, t.spec, t.canary, t.canary_spec, t.canary_percent,
       c.created_at AS canary_at, q.component, q.deployment AS quarantined, q.began_at, q.released_at, q.attempts,
       q.faults, q.failure
FROM hardstop.job_type t
LEFT JOIN hardstop.deployment c ON c.id = t.canary
LEFT JOIN hardstop.quarantine q ON q.type_id = t.id AND q.holds
ORDER BY t.name COLLATE "C"
