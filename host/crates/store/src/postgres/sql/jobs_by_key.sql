-- A page of the jobs of chains that were started with a deduplication key, newest first.
-- Reads every job of these chains that is kept: a later chain's job may have the smaller id.
-- $1: older than this id. $2: the type of the chains' first jobs. $3: in these states. $4: the most.
-- $5: not older than this id. $6: the key.
SELECT j.*, t.name AS type_name
FROM (
    SELECT l.id, l.chain_id, l.type_id, l.state, NULL::int2 AS outcome, l.lease_token, l.attempt, l.rescues, l.snoozes,
           l.priority, l.created_at, l.due_at, l.claimed_at AS started_at, NULL::timestamptz AS finished_at
    FROM hardstop.chain_key k
    JOIN hardstop.job_live l ON l.id = k.chain_id
    WHERE k.type_id = $2 AND k.key = $6
    UNION ALL
    SELECT l.id, l.chain_id, l.type_id, l.state, NULL::int2 AS outcome, l.lease_token, l.attempt, l.rescues, l.snoozes,
           l.priority, l.created_at, l.due_at, l.claimed_at AS started_at, NULL::timestamptz AS finished_at
    FROM hardstop.chain_key k
    JOIN hardstop.job_live l ON l.chain_id = k.chain_id AND l.chain_id <> l.id
    WHERE k.type_id = $2 AND k.key = $6
    UNION ALL
    SELECT d.id, d.chain_id, d.type_id, d.state, d.outcome, d.lease_token, d.attempt, d.rescues, d.snoozes,
           d.priority, d.created_at, d.due_at, d.started_at, d.finished_at
    FROM hardstop.chain_key k
    JOIN hardstop.job_done d ON d.id = k.chain_id
    WHERE k.type_id = $2 AND k.key = $6
    UNION ALL
    SELECT d.id, d.chain_id, d.type_id, d.state, d.outcome, d.lease_token, d.attempt, d.rescues, d.snoozes,
           d.priority, d.created_at, d.due_at, d.started_at, d.finished_at
    FROM hardstop.chain_key k
    JOIN hardstop.job_done d ON d.chain_id = k.chain_id AND d.chain_id <> d.id
    WHERE k.type_id = $2 AND k.key = $6
) j
JOIN hardstop.job_type t ON t.id = j.type_id
WHERE j.id < $1::uuid AND j.id >= $5::uuid AND j.state = ANY ($3::int2[])
ORDER BY j.id DESC
LIMIT $4
