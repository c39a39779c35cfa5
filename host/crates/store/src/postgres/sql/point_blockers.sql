-- Notes anew which jobs closed the chains that a reopened job waits for; null: one is open again.
UPDATE hardstop.job_blocker b SET closed_by = u.closed_by
FROM unnest($2::int4[], $3::uuid[]) AS u (position, closed_by)
WHERE b.job_id = $1 AND b.position = u.position
