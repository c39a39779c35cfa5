-- Which of these jobs are neither live nor final.
SELECT i.id
FROM unnest($1::uuid[]) AS i (id)
WHERE NOT EXISTS (SELECT FROM hardstop.job_live l WHERE l.id = i.id)
  AND NOT EXISTS (SELECT FROM hardstop.job_done d WHERE d.id = i.id)
