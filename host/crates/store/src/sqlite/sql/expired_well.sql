-- Final jobs in the order of their ids, each with the word whether it may go: it completed or continued, has been final
-- since before ?2, its chain is closed, and no live job waits for the chain or needs its output. ?1: ids after this.
-- ?3: the most. ?4: ids below this: what was created later cannot have been final for so long.
SELECT d.id,
       d.state IN (10, 11) AND d.finished_at < ?2
       AND NOT EXISTS (SELECT 1 FROM job_live l WHERE l.id = d.chain_id)
       AND NOT EXISTS (SELECT 1 FROM job_live l WHERE l.chain_id = d.chain_id AND l.chain_id <> l.id)
       AND NOT EXISTS (SELECT 1 FROM closure c WHERE c.chain_id = d.chain_id)
       AND NOT EXISTS (
           SELECT 1 FROM job_blocker b
           CROSS JOIN job_live l ON l.id = b.job_id
           WHERE b.chain_id = d.chain_id
       ) AS expired
FROM job_done d
WHERE d.id > ?1 AND d.id < ?4
ORDER BY d.id
LIMIT ?3
