-- Forgets how attempts of a type ended, but for those of the components in force and in its canary. $1: the type.
-- $2: a component whose attempts are to be forgotten in any case; null: none.
DELETE FROM hardstop.attempt_tally a
WHERE a.type_id = $1 AND (a.component = $2 OR NOT EXISTS (
    SELECT FROM hardstop.job_type t
    LEFT JOIN hardstop.deployment c ON c.id = t.canary
    WHERE t.id = $1 AND (t.component = a.component OR c.component = a.component)
))
