-- The jobs that wait for a chain, or waited for it. $1: the chain. $2: the most.
SELECT b.job_id, b.position,
       b.closed_by IS NULL AND NOT b.overridden AND coalesce(l.state = 1, false) AS awaited,
       coalesce(l.chain_id, d.chain_id) AS chain_id, coalesce(l.state, d.state) AS state, t.name AS type_name
FROM (
    SELECT w.job_id, w.position, w.overridden, w.closed_by
    FROM hardstop.job_blocker w
    WHERE w.chain_id = $1
    ORDER BY w.job_id, w.position
    LIMIT $2
) b
LEFT JOIN hardstop.job_live l ON l.id = b.job_id
LEFT JOIN hardstop.job_done d ON d.id = b.job_id
JOIN hardstop.job_type t ON t.id = coalesce(l.type_id, d.type_id)
ORDER BY b.job_id, b.position
