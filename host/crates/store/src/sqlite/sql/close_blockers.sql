-- Notes for dependents which job closed the chain that they waited for. Returns a row for each that nobody
-- else has noted. ?1: JSON rows.
UPDATE job_blocker SET closed_by = u.closed_by
FROM (
    SELECT unhex(value ->> 'job_id') AS job_id, value ->> 'position' AS position, unhex(value ->> 'closed_by') AS closed_by
    FROM json_each(?1)
) u
WHERE job_blocker.job_id = u.job_id AND job_blocker.position = u.position
  AND job_blocker.closed_by IS NULL AND NOT overridden
RETURNING job_id, position
