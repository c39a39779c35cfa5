-- A job in a line, and what is known of it that may keep it from running. The session is the one that holds it.
-- $1: the job.
SELECT clock_timestamp() AS now, j.*, t.name AS type_name, t.component IS NULL AS external,
       s.id AS session_id, s.host, s.expires_at, s.lease_duration_ms, s.dead, s.expires_at < clock_timestamp() AS expired,
       (SELECT a.outcome FROM hardstop.job_attempt a WHERE a.job_id = j.id ORDER BY a.run DESC LIMIT 1) AS last_outcome,
       CASE WHEN j.state >= 10 THEN j.failure ELSE (
           SELECT a.failure FROM hardstop.job_attempt a WHERE a.job_id = j.id ORDER BY a.run DESC LIMIT 1
       ) END AS last_failure
FROM (
    SELECT id, chain_id, type_id, state, NULL::int2 AS outcome, lease_token, attempt, rescues, snoozes, priority,
           created_at, due_at, claimed_at AS started_at, NULL::timestamptz AS finished_at,
           deadline_at, blockers, open_blockers, on_blocker_failure, NULL::text AS failure, NULL::uuid AS continued_to
    FROM hardstop.job_live WHERE id = $1
    UNION ALL
    SELECT id, chain_id, type_id, state, outcome, lease_token, attempt, rescues, snoozes, priority,
           created_at, due_at, started_at, finished_at, NULL, 0, 0, 0, failure, continued_to
    FROM hardstop.job_done WHERE id = $1
) j
JOIN hardstop.job_type t ON t.id = j.type_id
LEFT JOIN hardstop.session s ON j.state = 5 AND s.id = (j.lease_token >> 32)::int4
