-- The state of a final job.
SELECT state FROM job_done WHERE id = ?1
