-- How the last attempts of a type's component ended, newest first. ?1: the type. ?2: the component. ?3: the most.
SELECT id, attempts, faults
FROM attempt_tally
WHERE type_id = ?1 AND component = ?2
ORDER BY id DESC
LIMIT ?3
