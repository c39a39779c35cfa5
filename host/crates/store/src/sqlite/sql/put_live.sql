-- Keeps what a running attempt said. ?1: its job. ?2: its lease. ?3: the part's number. ?4: lines of its log, JSON or null.
-- ?5: how far it is, JSON or null.
INSERT INTO attempt_live (job_id, lease_token, part, log, progress)
SELECT id, lease_token, ?3, ?4, ?5 FROM job_live WHERE id = ?1 AND lease_token = ?2 AND state = 5
ON CONFLICT (job_id, lease_token, part) DO UPDATE SET log = excluded.log, progress = excluded.progress
