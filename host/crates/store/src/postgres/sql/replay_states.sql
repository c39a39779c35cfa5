-- How many jobs of a replay are in each state now; no state: no longer kept.
SELECT coalesce(l.state, d.state) AS state, count(*) AS count
FROM hardstop.replay_job r
LEFT JOIN hardstop.job_live l ON l.id = r.job_id
LEFT JOIN hardstop.job_done d ON d.id = r.job_id
WHERE r.replay_id = $1
GROUP BY 1
ORDER BY 1
