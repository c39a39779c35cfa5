-- Records runs that did not end well. ?1: JSON rows. ?2: now.
INSERT INTO job_attempt (
    job_id, lease_token, started_at, finished_at, run, session, attempt, outcome, host, failure, usage, log, progress, deployment
)
SELECT unhex(a.value ->> 'job_id'), a.value ->> 'token', a.value ->> 'started_at', ?2, a.value ->> 'run',
       a.value ->> 'session', a.value ->> 'attempt', a.value ->> 'outcome', coalesce(s.host, ''),
       a.value ->> 'failure', a.value ->> 'usage', a.value ->> 'log', a.value ->> 'progress', unhex(a.value ->> 'deployment')
FROM json_each(?1) a
LEFT JOIN session s ON s.id = a.value ->> 'session'
