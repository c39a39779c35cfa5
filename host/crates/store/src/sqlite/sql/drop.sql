-- Ends a job, found by `finishing`, of which nothing stays. Its payload may be large and goes at once: SQLite has no days to drop.
-- ?1: the job.
DELETE FROM job_body WHERE id = ?1;
DELETE FROM job_live WHERE id = ?1;
