-- The chains that jobs wait for, or waited for, in order, each with the state that it is in now; null where
-- nothing of it is kept.
-- ?1: the jobs, a JSON list. ?2: the most. ?3: whether to leave out those that are not awaited.
SELECT b.job_id, b.position, b.chain_id, b.closed_by, b.overridden, b.awaited,
       coalesce(
           (SELECT l.state FROM job_live l WHERE l.id = b.chain_id),
           (SELECT l.state FROM job_live l WHERE l.chain_id = b.chain_id AND l.chain_id <> l.id LIMIT 1),
           (SELECT d.state FROM job_done d WHERE d.id = b.chain_id AND d.state <> 11),
           (SELECT d.state FROM job_done d
            WHERE d.chain_id = b.chain_id AND d.chain_id <> d.id AND d.state <> 11 LIMIT 1)
       ) AS state
FROM (
    SELECT w.job_id, w.position, w.chain_id, w.closed_by, w.overridden,
           w.closed_by IS NULL AND NOT w.overridden
           AND EXISTS (SELECT 1 FROM job_live j WHERE j.id = w.job_id AND j.state = 1) AS awaited
    FROM job_blocker w
    WHERE w.job_id IN (SELECT unhex(value) FROM json_each(?1))
      AND (NOT ?3 OR (w.closed_by IS NULL AND NOT w.overridden))
    ORDER BY w.job_id, w.position
    LIMIT ?2
) b
ORDER BY b.job_id, b.position
