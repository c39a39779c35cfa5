-- Holds a type whose component in force is in quarantine, and no other. $1: the type.
UPDATE hardstop.quarantine q
SET holds = NOT q.holds
FROM hardstop.job_type t
WHERE q.type_id = $1 AND t.id = $1 AND q.released_at IS NULL AND q.holds <> (q.component IS NOT DISTINCT FROM t.component)
