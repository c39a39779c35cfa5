-- Holds a type whose component in force is in quarantine, and no other. ?1: the type.
UPDATE quarantine
SET holds = NOT holds
WHERE type_id = ?1 AND released_at IS NULL
  AND holds <> (component IS (SELECT t.component FROM job_type t WHERE t.id = ?1))
