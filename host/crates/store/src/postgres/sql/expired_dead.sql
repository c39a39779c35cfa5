-- Dead letters that may go, oldest first: final for so long, and no live job waits for their chain. $1: the state, 12
-- or 13. $2: microseconds. $3: the most.
SELECT id
FROM (
    (SELECT d.id
     FROM hardstop.job_done d
     WHERE $1::int2 = 12 AND d.state = 12
       AND d.id < (SELECT hardstop.least_id(clock_timestamp() - $2::int8 * interval '1 microsecond'))
       AND d.finished_at < (SELECT clock_timestamp() - $2 * interval '1 microsecond')
       AND NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.id = d.chain_id)
       AND NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.chain_id = d.chain_id AND l.chain_id <> l.id)
       AND NOT EXISTS (SELECT FROM hardstop.closure c WHERE c.chain_id = d.chain_id)
       AND NOT EXISTS (
           SELECT FROM hardstop.job_blocker b
           JOIN hardstop.job_live l ON l.id = b.job_id
           WHERE b.chain_id = d.chain_id
       )
     ORDER BY d.id
     LIMIT $3)
    UNION ALL
    (SELECT d.id
     FROM hardstop.job_done d
     WHERE $1::int2 = 13 AND d.state = 13
       AND d.id < (SELECT hardstop.least_id(clock_timestamp() - $2::int8 * interval '1 microsecond'))
       AND d.finished_at < (SELECT clock_timestamp() - $2 * interval '1 microsecond')
       AND NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.id = d.chain_id)
       AND NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.chain_id = d.chain_id AND l.chain_id <> l.id)
       AND NOT EXISTS (SELECT FROM hardstop.closure c WHERE c.chain_id = d.chain_id)
       AND NOT EXISTS (
           SELECT FROM hardstop.job_blocker b
           JOIN hardstop.job_live l ON l.id = b.job_id
           WHERE b.chain_id = d.chain_id
       )
     ORDER BY d.id
     LIMIT $3)
) d
