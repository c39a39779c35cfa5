-- Removes what attempts said whose worker could not remove it.
DELETE FROM hardstop.attempt_live a
WHERE NOT EXISTS (
    SELECT FROM hardstop.job_live j WHERE j.id = a.job_id AND j.lease_token = a.lease_token AND j.state = 5
)
