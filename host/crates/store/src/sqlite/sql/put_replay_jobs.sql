-- Records which jobs a replay took back, and what they were. ?2: JSON rows.
INSERT INTO replay_job (replay_id, job_id, state, outcome, failure)
SELECT ?1, unhex(r.value ->> 'job_id'), r.value ->> 'state', r.value ->> 'outcome', r.value ->> 'failure'
FROM json_each(?2) r
