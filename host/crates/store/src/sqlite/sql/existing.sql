-- Which of these ids is taken. ?1: JSON list.
SELECT b.id FROM json_each(?1) i CROSS JOIN job_body b ON b.id = unhex(i.value) LIMIT 1
