-- Makes a token. ?1: its id. ?2: its name. ?3: the hash. ?4: the scopes. ?5: who makes it. ?6: for how many
-- microseconds, or null: without end. ?7: now.
INSERT INTO token (id, name, hash, scopes, created_at, actor, expires_at)
VALUES (?1, ?2, ?3, ?4, ?7, ?5, ?7 + ?6)
RETURNING id, name, scopes, created_at, actor, expires_at, revoked_at, 0 AS expired
