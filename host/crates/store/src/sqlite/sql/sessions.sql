-- Every session that has not ended. ?1: now.
SELECT s.id, s.host, s.started_at, s.expires_at, s.expires_at < ?1 AS expired,
       s.slots, s.slots_used, s.memory_budget, s.memory_admitted, s.draining, s.drain_asked_at,
       (SELECT count(*) FROM job_live j WHERE j.state = 5
            AND j.lease_token >= s.id << 32 AND j.lease_token < (s.id + 1) << 32) AS running
FROM session s
WHERE NOT s.dead
ORDER BY s.id
