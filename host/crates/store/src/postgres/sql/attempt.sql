-- Records runs that did not end well.
INSERT INTO hardstop.job_attempt (
    job_id, lease_token, started_at, run, session, attempt, outcome, host, failure, usage, log, progress, deployment
)
SELECT a.job_id, a.token, 'epoch'::timestamptz + a.started_at * interval '1 microsecond', a.run, a.session, a.attempt,
       a.outcome, coalesce(s.host, ''), a.failure, a.usage, a.log, a.progress, a.deployment
FROM unnest(
    $1::uuid[], $2::int8[], $3::int8[], $4::int4[], $5::int4[], $6::int2[], $7::int2[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::uuid[]
) AS a (job_id, token, started_at, run, session, attempt, outcome, failure, usage, log, progress, deployment)
LEFT JOIN hardstop.session s ON s.id = a.session
