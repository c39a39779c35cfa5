-- Running jobs whose session is dead or gone, locked. $1: of this session only, or null. $2: the most.
-- The leases between those of the sessions that live are looked at, in the order of the index of running jobs. What the living have
-- left there is not read: beside a transaction that is open for long, it is each job that was claimed since.
WITH gap AS MATERIALIZED (
    SELECT (before + 1) << 32 AS low, id << 32 AS high
    FROM (
        SELECT id::int8, lag(id::int8, 1, -1::int8) OVER (ORDER BY id) AS before FROM hardstop.session WHERE NOT dead
        UNION ALL
        SELECT (1::int8 << 31) - 1, coalesce(max(id), -1)::int8 FROM hardstop.session WHERE NOT dead
    ) living
    WHERE before + 1 < id
), wanted AS MATERIALIZED (
    SELECT greatest(low, coalesce($1::int8, 0) << 32) AS low, least(high, (coalesce($1, (1::int8 << 31) - 2) + 1) << 32) AS high
    FROM gap
)
SELECT o.*, s.host
FROM wanted w
CROSS JOIN LATERAL (
    SELECT j.id, j.chain_id, j.type_id, j.lease_token, j.attempt, j.run, j.rescues, j.priority, j.claimed_at, j.blocking, j.keyed
    FROM hardstop.job_live j
    WHERE j.state = 5 AND j.lease_token >= w.low AND j.lease_token < w.high
    ORDER BY j.lease_token
    LIMIT $2
    FOR NO KEY UPDATE SKIP LOCKED
) o
LEFT JOIN hardstop.session s ON s.id = (o.lease_token >> 32)
WHERE w.low < w.high
LIMIT $2
