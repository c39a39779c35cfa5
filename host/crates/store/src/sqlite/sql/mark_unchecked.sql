-- Notes that nobody has compared the inputs of these jobs with their types' schemas: workers do before they run.
-- ?1: JSON list.
UPDATE job_body SET unchecked = 1 WHERE id IN (SELECT unhex(i.value) FROM json_each(?1) i)
