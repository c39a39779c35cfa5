-- Removes these final jobs and all that belongs to them, but for those whose chain is live or needed by now: they are
-- locked, so that no start can come to need them any more. Says how many.
WITH gone AS (
    DELETE FROM hardstop.job_done d
    WHERE d.id = ANY ($1::uuid[])
       AND NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.id = d.chain_id)
       AND NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.chain_id = d.chain_id AND l.chain_id <> l.id)
       AND NOT EXISTS (SELECT FROM hardstop.closure c WHERE c.chain_id = d.chain_id)
       AND NOT EXISTS (
           SELECT FROM hardstop.job_blocker b
           JOIN hardstop.job_live l ON l.id = b.job_id
           WHERE b.chain_id = d.chain_id
       )
    RETURNING d.id
), body AS (
    DELETE FROM hardstop.job_body WHERE id = ANY (ARRAY(SELECT id FROM gone))
), attempt AS (
    DELETE FROM hardstop.job_attempt WHERE job_id = ANY (ARRAY(SELECT id FROM gone))
), blocker AS (
    DELETE FROM hardstop.job_blocker WHERE job_id = ANY (ARRAY(SELECT id FROM gone))
)
SELECT count(*) AS count FROM gone
