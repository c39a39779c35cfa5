-- Every active type, by name.
SELECT id, deployment, deployed_at, spec FROM job_type ORDER BY name
