SELECT id, name FROM job_type
