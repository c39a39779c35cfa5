-- Records which jobs a replay took back, and what they were.
INSERT INTO hardstop.replay_job (replay_id, job_id, state, outcome, failure)
SELECT $1, r.job_id, r.state, r.outcome, r.failure
FROM unnest($2::uuid[], $3::int2[], $4::int2[], $5::text[]) AS r (job_id, state, outcome, failure)
