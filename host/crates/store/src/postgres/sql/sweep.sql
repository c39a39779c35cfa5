-- Removes what jobs and chains that are gone have left. $1: only of those at least so many microseconds old; $2: keys of
-- closed chains started so many microseconds ago. $3: the most rows of each kind. Says how many.
WITH bound AS MATERIALIZED (
    SELECT hardstop.least_id(clock_timestamp() - $1::int8 * interval '1 microsecond') AS id,
           clock_timestamp() - $2::int8 * interval '1 microsecond' AS key_before
), chain_key AS (
    DELETE FROM hardstop.chain_key
    WHERE (type_id, key, chain_id) IN (
        SELECT k.type_id, k.key, k.chain_id
        FROM hardstop.chain_key k
        WHERE k.chain_id < (SELECT hardstop.least_id(key_before) FROM bound)
          AND k.started_at < (SELECT key_before FROM bound) AND NOT k.open
        LIMIT $3
    )
    RETURNING 1
), lineage AS (
    DELETE FROM hardstop.lineage
    WHERE root_chain = ANY (ARRAY(
        SELECT r.root_chain
        FROM hardstop.lineage r
        WHERE r.root_chain < (SELECT id FROM bound)
          AND NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.id = r.root_chain)
          AND NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.chain_id = r.root_chain AND l.chain_id <> l.id)
          AND NOT EXISTS (SELECT FROM hardstop.job_done d WHERE d.id = r.root_chain)
          AND NOT EXISTS (SELECT FROM hardstop.job_done d WHERE d.chain_id = r.root_chain AND d.chain_id <> d.id)
        LIMIT $3
    ))
    RETURNING 1
), blocker AS (
    DELETE FROM hardstop.job_blocker
    WHERE (job_id, position) IN (
        SELECT b.job_id, b.position
        FROM hardstop.job_blocker b
        WHERE b.job_id < (SELECT id FROM bound)
          AND NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.id = b.job_id)
          AND NOT EXISTS (SELECT FROM hardstop.job_done d WHERE d.id = b.job_id)
        LIMIT $3
    )
    RETURNING 1
), replay_job AS (
    DELETE FROM hardstop.replay_job
    WHERE (replay_id, job_id) IN (
        SELECT r.replay_id, r.job_id
        FROM hardstop.replay_job r
        WHERE r.job_id < (SELECT id FROM bound)
          AND NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.id = r.job_id)
          AND NOT EXISTS (SELECT FROM hardstop.job_done d WHERE d.id = r.job_id)
        LIMIT $3
    )
    RETURNING 1
), replay AS (
    -- Those whose jobs went in an earlier sweep.
    DELETE FROM hardstop.replay r
    WHERE r.id < (SELECT id FROM bound) AND NOT EXISTS (SELECT FROM hardstop.replay_job j WHERE j.replay_id = r.id)
    RETURNING 1
)
SELECT (SELECT count(*) FROM chain_key) + (SELECT count(*) FROM lineage) + (SELECT count(*) FROM blocker)
       + (SELECT count(*) FROM replay_job) + (SELECT count(*) FROM replay) AS count
