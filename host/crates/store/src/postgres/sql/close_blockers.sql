-- Notes for dependents which job closed the chain that they waited for. Returns a row for each that nobody
-- else has noted.
UPDATE hardstop.job_blocker b SET closed_by = u.closed_by
FROM unnest($1::uuid[], $2::int4[], $3::uuid[]) AS u (job_id, position, closed_by)
WHERE b.job_id = u.job_id AND b.position = u.position AND b.closed_by IS NULL AND NOT b.overridden
RETURNING b.job_id, b.position
