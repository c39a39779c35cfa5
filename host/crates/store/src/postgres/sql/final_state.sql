-- The state of a final job.
SELECT state FROM hardstop.job_done WHERE id = $1
