-- What the completion of a job from outside is measured by. ?1: the job. ?2: the token that was named. ?3: now.
SELECT b.completion_token IS NOT NULL AS is_external, coalesce(b.completion_token = ?2, 0) AS matches,
       coalesce(j.deadline_at <= ?3, 0) AS late, b.root_chain, b.depth, b.trace_parent
FROM job_body b
LEFT JOIN job_live j ON j.id = b.id
WHERE b.id = ?1
