-- Removes what an attempt said that has ended. ?1: its job. ?2: its lease.
DELETE FROM attempt_live WHERE job_id = ?1 AND lease_token = ?2
