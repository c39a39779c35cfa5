-- A page of a replay's jobs, oldest first: what each was and is. $2: younger than this id. $3: the most.
SELECT r.job_id AS id, r.state AS was, r.outcome AS was_outcome, r.failure AS was_failure,
       coalesce(l.state, d.state) AS state, d.outcome, t.name AS type_name
FROM (
    SELECT * FROM hardstop.replay_job
    WHERE replay_id = $1 AND job_id > $2
    ORDER BY job_id
    LIMIT $3
) r
LEFT JOIN hardstop.job_live l ON l.id = r.job_id
LEFT JOIN hardstop.job_done d ON d.id = r.job_id
LEFT JOIN hardstop.job_type t ON t.id = coalesce(l.type_id, d.type_id)
ORDER BY r.job_id
