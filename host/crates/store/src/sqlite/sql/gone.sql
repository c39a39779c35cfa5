-- Which of these jobs are neither live nor final. ?1: JSON list.
SELECT unhex(i.value) AS id
FROM json_each(?1) i
WHERE NOT EXISTS (SELECT 1 FROM job_live l WHERE l.id = unhex(i.value))
  AND NOT EXISTS (SELECT 1 FROM job_done d WHERE d.id = unhex(i.value))
