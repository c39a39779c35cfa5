-- Puts a deployment's specification of a type in force, which ends a canary. One with a handler stays so, and an external one, too:
-- nothing is returned where $4, the external deadline in milliseconds, says otherwise.
INSERT INTO hardstop.job_type AS t (name, deployment, component, deployed_at, spec, external_deadline_ms)
SELECT $1, d.id, CASE WHEN $4::int8 IS NULL THEN d.component END, d.created_at, $3, $4
FROM hardstop.deployment d
WHERE d.id = $2
ON CONFLICT (name) DO UPDATE
SET deployment = excluded.deployment, component = excluded.component, deployed_at = excluded.deployed_at,
    spec = excluded.spec, external_deadline_ms = excluded.external_deadline_ms,
    canary = NULL, canary_spec = NULL, canary_percent = NULL
WHERE (t.component IS NULL) = (excluded.component IS NULL)
RETURNING id
