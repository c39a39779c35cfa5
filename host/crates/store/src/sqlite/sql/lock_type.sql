-- A type. The writer is alone in its transaction: nothing needs to be locked. ?1: its name.
SELECT t.id, t.deployment, t.component, t.canary, t.canary_spec, d.component AS canary_component
FROM job_type t
LEFT JOIN deployment d ON d.id = t.canary
WHERE t.name = ?1
