-- A type, so that no other transaction changes what is in force until this one ends. $1: its name.
SELECT t.id, t.deployment, t.component, t.canary, t.canary_spec, d.component AS canary_component
FROM hardstop.job_type t
LEFT JOIN hardstop.deployment d ON d.id = t.canary
WHERE t.name = $1
FOR UPDATE OF t
