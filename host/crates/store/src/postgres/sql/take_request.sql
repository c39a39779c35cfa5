-- Takes an idempotency key. Nothing where it is taken; who has it but has not committed is waited for. $1: the actor.
-- $2: the key. $3: the fingerprint.
INSERT INTO hardstop.request (actor, key, fingerprint)
VALUES ($1, $2, $3)
ON CONFLICT (actor, key) DO NOTHING
RETURNING 1 AS taken
