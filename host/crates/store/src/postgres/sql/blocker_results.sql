-- What the blockers of these jobs came to, in the order in which they were named. Outputs come as long as those
-- of one job hold at most so many bytes together. $1: the jobs. $2: the bytes.
SELECT b.job_id, b.chain_id, d.state, d.failure, i.id AS closed_by, d.run, i.trace_parent,
       coalesce(i.root_chain, d.chain_id) AS root_chain, octet_length(d.output)::int8 AS output_bytes,
       CASE WHEN sum(coalesce(octet_length(d.output), 0)) OVER (PARTITION BY b.job_id ORDER BY b.position) <= $2::int8
            THEN d.output END AS output
FROM hardstop.job_blocker b
LEFT JOIN hardstop.job_done d ON d.id = b.closed_by
LEFT JOIN hardstop.job_body i ON i.id = d.id
WHERE b.job_id = ANY ($1::uuid[])
ORDER BY b.job_id, b.position
