-- Removes what attempts said whose worker could not remove it.
DELETE FROM attempt_live
WHERE NOT EXISTS (
    SELECT 1 FROM job_live j
    WHERE j.id = attempt_live.job_id AND j.lease_token = attempt_live.lease_token AND j.state = 5
)
