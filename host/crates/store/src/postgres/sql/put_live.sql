-- Keeps what running attempts said. $1: jobs. $2: their leases. $3: numbers of parts. $4: lines of their logs, JSON or null.
-- $5: how far they are, JSON or null.
INSERT INTO hardstop.attempt_live (job_id, lease_token, part, log, progress)
SELECT p.job_id, p.lease_token, p.part, p.log, p.progress
FROM unnest($1::uuid[], $2::int8[], $3::int4[], $4::text[], $5::text[]) AS p (job_id, lease_token, part, log, progress)
JOIN hardstop.job_live j ON j.id = p.job_id AND j.lease_token = p.lease_token AND j.state = 5
ON CONFLICT (job_id, lease_token, part) DO UPDATE SET log = excluded.log, progress = excluded.progress
