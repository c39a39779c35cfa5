-- Leases ready jobs: per type a limit over the literal partial index, in turns between the types;
-- none of a type that is paused or held by a quarantine.
-- $1: types. $2: how many of each. $3: the token. $4: how many in all. $5, $6, $7: priority, due time in microseconds and
-- id from which on to look, for each type; null: from the beginning.
-- Answers also over how many entries of the index it walked beside those that it found: see `cursor.rs`. The server counts.
--
-- The session's row is locked FOR SHARE: a rescue that is about to end the session waits for this
-- claim (and then sees its jobs), or this claim waits for the rescue (and then sees the session dead).
-- Without that, a claim could commit jobs of a dead session after the rescue had looked for them.
WITH lease AS MATERIALIZED (
    SELECT s.expires_at > clock_timestamp() AS trusted,
           pg_stat_get_xact_tuples_returned('hardstop.job_live_ready'::regclass) AS walked
    FROM hardstop.session s
    WHERE s.id = ($3::int8 >> 32)::int4 AND NOT s.dead
    FOR SHARE
), want AS MATERIALIZED (
    SELECT w.type_id, w.quota, w.turn, coalesce(w.priority, (-32768)::int2) AS priority,
           coalesce(timestamptz 'epoch' + w.due_us * interval '1 microsecond', '-infinity') AS due_at,
           coalesce(w.id, '00000000-0000-0000-0000-000000000000') AS id
    FROM unnest($1::int4[], $2::int4[], $5::int2[], $6::int8[], $7::uuid[])
         WITH ORDINALITY AS w (type_id, quota, priority, due_us, id, turn)
    WHERE (SELECT trusted FROM lease) AND NOT EXISTS (
        SELECT FROM hardstop.pause p
        WHERE p.type_id IN (0, w.type_id) AND (p.until IS NULL OR p.until > clock_timestamp())
    ) AND NOT EXISTS (
        SELECT FROM hardstop.quarantine q WHERE q.type_id = w.type_id AND q.holds
    )
), candidate AS MATERIALIZED (
    SELECT c.id, w.turn, row_number() OVER (PARTITION BY w.type_id ORDER BY c.priority, c.due_at, c.id) AS round
    FROM want w CROSS JOIN LATERAL (
        SELECT j.id, j.priority, j.due_at
        FROM hardstop.job_live j
        WHERE j.state = 4 AND j.type_id = w.type_id AND (j.priority, j.due_at, j.id) >= (w.priority, w.due_at, w.id)
        ORDER BY j.priority, j.due_at, j.id
        LIMIT w.quota
        FOR NO KEY UPDATE SKIP LOCKED
    ) c
), leased AS (
    UPDATE hardstop.job_live j
    SET state = 5, lease_token = $3, attempt = j.attempt + 1, run = j.run + 1, claimed_at = clock_timestamp()
    WHERE j.id = ANY (ARRAY(SELECT id FROM candidate ORDER BY round, turn LIMIT $4))
    RETURNING j.*
)
SELECT s.alive, l.id, l.chain_id, l.type_id, l.lease_token, l.attempt, l.run, l.rescues, l.priority,
       l.snoozes, l.snoozed_ms, l.larger_memory, l.blockers, l.created_at, l.due_at, l.claimed_at,
       b.input, b.limits, b.trace_parent, b.root_chain, b.depth, b.unchecked,
       (SELECT descendants FROM hardstop.lineage WHERE root_chain = coalesce(b.root_chain, l.chain_id)) AS descendants,
       pg_stat_get_xact_tuples_returned('hardstop.job_live_ready'::regclass) - (SELECT walked FROM lease)
       - (SELECT count(*) FROM candidate) AS beside
FROM (SELECT EXISTS (SELECT FROM lease) AS alive) s
LEFT JOIN (leased l JOIN hardstop.job_body b ON b.id = l.id) ON true
