-- Every active type, by name. The collation is fixed, so that both databases agree.
SELECT id, deployment, deployed_at, spec FROM hardstop.job_type ORDER BY name COLLATE "C"
