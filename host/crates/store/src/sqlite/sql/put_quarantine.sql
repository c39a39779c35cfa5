-- Puts a component of a type into quarantine; nothing where it is there already. ?1: the type. ?2: the component.
-- ?3: the deployment that it was last seen in. ?4: how many attempts were looked at. ?5: how many ended badly.
-- ?6: what the last one said. ?7: now.
INSERT INTO quarantine (type_id, component, deployment, attempts, faults, failure, began_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (type_id, component) DO UPDATE
SET deployment = excluded.deployment, began_at = excluded.began_at, released_at = NULL, attempts = excluded.attempts,
    faults = excluded.faults, failure = excluded.failure
WHERE quarantine.released_at IS NOT NULL
RETURNING began_at
