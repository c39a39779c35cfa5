-- Puts a deployment's specification of a type in force.
INSERT INTO job_type (name, deployment, component, deployed_at, spec)
SELECT ?1, d.id, d.component, d.created_at, ?3 FROM deployment d WHERE d.id = ?2
ON CONFLICT (name) DO UPDATE
SET deployment = excluded.deployment, component = excluded.component, deployed_at = excluded.deployed_at,
    spec = excluded.spec
RETURNING id
