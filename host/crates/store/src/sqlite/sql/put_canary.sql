-- Gives a share of a type's jobs to a deployment beside the one in force; or, with nulls, to none.
-- ?1: the type. ?2: the deployment. ?3: what it says of the type. ?4: the share in percent.
UPDATE job_type SET canary = ?2, canary_spec = ?3, canary_percent = ?4 WHERE id = ?1
