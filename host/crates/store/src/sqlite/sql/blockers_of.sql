-- What a job waits for, or waited for, in order.
SELECT position, chain_id, closed_by, overridden FROM job_blocker WHERE job_id = ?1 ORDER BY position
