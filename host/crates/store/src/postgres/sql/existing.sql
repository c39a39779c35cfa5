-- Which of these ids is taken.
SELECT id FROM hardstop.job_body WHERE id = ANY ($1::uuid[]) LIMIT 1
