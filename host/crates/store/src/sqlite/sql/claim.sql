-- Leases ready jobs: per type a limit over the literal partial index, in turns between the types;
-- none of a type that is paused or held by a quarantine.
-- Differs by necessity: SQLite has no LATERAL, so each type's candidates come as one JSON list from a
-- correlated subquery. The writer is alone in its transaction: nothing needs to be locked.
-- ?1: JSON list of [type, quota]. ?2: the token. ?3: the most in all. ?4: now. ?5: the largest quota.
UPDATE job_live
SET state = 5, lease_token = ?2, attempt = attempt + 1, run = run + 1, claimed_at = ?4
WHERE id IN (
    SELECT unhex(c.value)
    FROM json_each(?1) w CROSS JOIN json_each(CASE WHEN NOT EXISTS (
        SELECT 1 FROM pause p WHERE p.type_id IN (0, w.value ->> 0) AND (p.until IS NULL OR p.until > ?4)
    ) AND NOT EXISTS (
        SELECT 1 FROM quarantine q WHERE q.type_id = w.value ->> 0 AND q.holds
    ) THEN (
        SELECT json_group_array(hex(r.id))
        FROM (
            SELECT j.id FROM job_live j
            WHERE j.state = 4 AND j.type_id = w.value ->> 0
            ORDER BY j.priority, j.due_at, j.id
            LIMIT ?5
        ) r
    ) END) c
    WHERE c.key < w.value ->> 1
      AND EXISTS (SELECT 1 FROM session s WHERE s.id = ?2 >> 32 AND NOT s.dead AND s.expires_at > ?4)
    ORDER BY c.key, w.key
    LIMIT ?3
);
SELECT s.alive, l.id, l.chain_id, l.type_id, l.lease_token, l.attempt, l.run, l.rescues, l.priority,
       l.snoozes, l.snoozed_ms, l.larger_memory, l.blockers, l.created_at, l.due_at, l.claimed_at,
       b.input, b.limits, b.trace_parent, b.root_chain, b.depth, b.unchecked,
       (SELECT descendants FROM lineage WHERE root_chain = coalesce(b.root_chain, l.chain_id)) AS descendants
FROM (SELECT EXISTS (SELECT 1 FROM session WHERE id = ?2 >> 32 AND NOT dead) AS alive) s
LEFT JOIN (
    job_live l CROSS JOIN job_body b ON b.id = l.id
) ON l.state = 5 AND l.lease_token >> 32 = ?2 >> 32 AND l.lease_token = ?2;
