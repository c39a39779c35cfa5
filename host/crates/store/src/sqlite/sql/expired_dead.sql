-- Dead letters that may go, oldest first: final since before ?2, and no live job waits for their chain. ?1: the state,
-- 12 or 13. ?3: the most. ?4: ids below this: what was created later cannot have been final for so long.
-- The condition of the partial index is named word for word: SQLite infers nothing.
SELECT * FROM (
     SELECT d.id
     FROM job_done d
     WHERE ?1 = 12 AND d.state = 12 AND d.state IN (12, 13) AND d.id < ?4 AND d.finished_at < ?2
       AND NOT EXISTS (SELECT 1 FROM job_live l WHERE l.id = d.chain_id)
       AND NOT EXISTS (SELECT 1 FROM job_live l WHERE l.chain_id = d.chain_id AND l.chain_id <> l.id)
       AND NOT EXISTS (SELECT 1 FROM closure c WHERE c.chain_id = d.chain_id)
       AND NOT EXISTS (
           SELECT 1 FROM job_blocker b
           CROSS JOIN job_live l ON l.id = b.job_id
           WHERE b.chain_id = d.chain_id
       )
     ORDER BY d.id
     LIMIT ?3
)
UNION ALL
SELECT * FROM (
     SELECT d.id
     FROM job_done d
     WHERE ?1 = 13 AND d.state = 13 AND d.state IN (12, 13) AND d.id < ?4 AND d.finished_at < ?2
       AND NOT EXISTS (SELECT 1 FROM job_live l WHERE l.id = d.chain_id)
       AND NOT EXISTS (SELECT 1 FROM job_live l WHERE l.chain_id = d.chain_id AND l.chain_id <> l.id)
       AND NOT EXISTS (SELECT 1 FROM closure c WHERE c.chain_id = d.chain_id)
       AND NOT EXISTS (
           SELECT 1 FROM job_blocker b
           CROSS JOIN job_live l ON l.id = b.job_id
           WHERE b.chain_id = d.chain_id
       )
     ORDER BY d.id
     LIMIT ?3
)
