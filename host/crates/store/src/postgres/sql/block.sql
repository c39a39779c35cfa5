-- Records what jobs wait for, or would have waited for.
INSERT INTO hardstop.job_blocker (job_id, position, chain_id, closed_by)
SELECT * FROM unnest($1::uuid[], $2::int4[], $3::uuid[], $4::uuid[])
