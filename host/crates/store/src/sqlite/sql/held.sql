-- The jobs that are held under these leases. ?1: JSON list.
SELECT j.id, j.lease_token
FROM json_each(?1) l
CROSS JOIN job_live j ON j.state = 5 AND j.lease_token = l.value
