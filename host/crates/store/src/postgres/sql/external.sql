-- What the completion of a job from outside is measured by. $1: the job. $2: the token that was named.
SELECT b.completion_token IS NOT NULL AS is_external, coalesce(b.completion_token = $2::uuid, false) AS matches,
       coalesce(j.deadline_at <= clock_timestamp(), false) AS late, b.root_chain, b.depth, b.trace_parent
FROM hardstop.job_body b
LEFT JOIN hardstop.job_live j ON j.id = b.id
WHERE b.id = $1::uuid
