-- Forgets how attempts of a type ended, but for those of the components in force and in its canary. ?1: the type.
-- ?2: a component whose attempts are to be forgotten in any case; null: none.
DELETE FROM attempt_tally
WHERE type_id = ?1 AND (component IS ?2 OR NOT EXISTS (
    SELECT 1 FROM job_type t
    LEFT JOIN deployment c ON c.id = t.canary
    WHERE t.id = ?1 AND (t.component = attempt_tally.component OR c.component = attempt_tally.component)
))
