SELECT id, name FROM hardstop.job_type
