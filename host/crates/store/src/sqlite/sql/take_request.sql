-- Takes an idempotency key. Nothing where it is taken. ?1: the actor. ?2: the key. ?3: the fingerprint. ?4: now.
INSERT INTO request (actor, key, fingerprint, at)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (actor, key) DO NOTHING
RETURNING 1 AS taken
