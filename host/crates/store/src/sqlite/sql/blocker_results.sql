-- What the blockers of these jobs came to, in the order in which they were named. Outputs come as long as those
-- of one job hold at most so many bytes together. ?1: JSON list of jobs. ?2: the bytes.
SELECT b.job_id, b.chain_id, d.state, d.failure, i.id AS closed_by, d.run, i.trace_parent,
       coalesce(i.root_chain, d.chain_id) AS root_chain, octet_length(d.output) AS output_bytes,
       CASE WHEN sum(coalesce(octet_length(d.output), 0)) OVER (PARTITION BY b.job_id ORDER BY b.position) <= ?2
            THEN d.output END AS output
FROM json_each(?1) w
CROSS JOIN job_blocker b ON b.job_id = unhex(w.value)
LEFT JOIN job_done d ON d.id = b.closed_by
LEFT JOIN job_body i ON i.id = d.id
ORDER BY b.job_id, b.position
