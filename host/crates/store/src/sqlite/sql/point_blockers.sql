-- Notes anew which jobs closed the chains that a reopened job waits for; null: one is open again.
-- ?2: JSON list of [position, closed_by].
UPDATE job_blocker SET closed_by = u.closed_by
FROM (SELECT value ->> 0 AS position, unhex(value ->> 1) AS closed_by FROM json_each(?2)) u
WHERE job_blocker.job_id = ?1 AND job_blocker.position = u.position
