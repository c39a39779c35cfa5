-- Every session that has not ended.
SELECT s.id, s.host, s.started_at, s.expires_at, s.expires_at < clock_timestamp() AS expired,
       (SELECT count(*) FROM hardstop.job_live j WHERE j.state = 5 AND (j.lease_token >> 32) = s.id) AS running
FROM hardstop.session s
WHERE NOT s.dead
ORDER BY s.id
