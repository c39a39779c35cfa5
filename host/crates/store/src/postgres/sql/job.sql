-- One job in full, but for its attempts.
SELECT j.*, d.component, t.name AS type_name, b.input, b.limits, b.root_chain, b.depth,
       CASE WHEN j.state < 10 THEN b.completion_token END AS completion_token,
       -- A continuation's chain was started by the parent of its first job.
       coalesce(b.parent_job, (SELECT f.parent_job FROM hardstop.job_body f WHERE f.id = j.chain_id)) AS parent_job,
       (SELECT k.key FROM hardstop.chain_key k WHERE k.chain_id = j.chain_id LIMIT 1) AS key
FROM (
    SELECT id, chain_id, type_id, state, lease_token, attempt, run, rescues, snoozes, priority,
           created_at, due_at, claimed_at AS started_at, NULL::timestamptz AS finished_at,
           NULL::int2 AS outcome, NULL::text AS output, NULL::text AS failure, NULL::text AS log, NULL::uuid AS continued_to,
           NULL::int8 AS wall_us, NULL::int8 AS cpu_us, NULL::int8 AS fuel, NULL::int8 AS memory_bytes_peak,
           NULL::int8 AS output_bytes, NULL::int8 AS log_bytes, NULL::int8 AS log_bytes_dropped,
           NULL::text AS usage_detail,
           deadline_at, NULL::uuid AS deployment
    FROM hardstop.job_live WHERE id = $1
    UNION ALL
    SELECT id, chain_id, type_id, state, lease_token, attempt, run, rescues, snoozes, priority,
           created_at, due_at, started_at, finished_at,
           outcome, output, failure, log, continued_to,
           wall_us, cpu_us, fuel, memory_bytes_peak, output_bytes, log_bytes, log_bytes_dropped, usage_detail, NULL,
           deployment
    FROM hardstop.job_done WHERE id = $1
) j
JOIN hardstop.job_type t ON t.id = j.type_id
LEFT JOIN hardstop.job_body b ON b.id = j.id
LEFT JOIN hardstop.deployment d ON d.id = j.deployment
