-- What completes an external job that is not final, and until when.
SELECT b.completion_token, j.deadline_at
FROM job_live j
JOIN job_body b ON b.id = j.id
WHERE j.id = ?1 AND b.completion_token IS NOT NULL
