-- Completed and continued jobs in the order of their ids, each with the word whether it may go: it has been final for
-- so long, its chain is closed, and no live job waits for the chain or needs its output. $1: ids after this.
-- $2: microseconds. $3: the most. $4: whether to look everywhere, or only in the default partition because all others
-- are dropped whole.
WITH old AS MATERIALIZED (
    (SELECT id, chain_id, finished_at
     FROM hardstop.job_done_default
     WHERE NOT $4::bool AND id > $1 AND state IN (10, 11)
     ORDER BY id
     LIMIT $3)
    UNION ALL
    (SELECT id, chain_id, finished_at
     FROM hardstop.job_done
     WHERE $4 AND id > $1 AND state IN (10, 11)
       AND id < (SELECT hardstop.least_id(clock_timestamp() - $2::int8 * interval '1 microsecond'))
     ORDER BY id
     LIMIT $3)
)
SELECT o.id,
       o.finished_at < (SELECT clock_timestamp() - $2 * interval '1 microsecond')
       AND NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.id = o.chain_id)
       AND NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.chain_id = o.chain_id AND l.chain_id <> l.id)
       AND NOT EXISTS (SELECT FROM hardstop.closure c WHERE c.chain_id = o.chain_id)
       AND NOT EXISTS (
           SELECT FROM hardstop.job_blocker b
           JOIN hardstop.job_live l ON l.id = b.job_id
           WHERE b.chain_id = o.chain_id
       ) AS expired
FROM old o
ORDER BY o.id
