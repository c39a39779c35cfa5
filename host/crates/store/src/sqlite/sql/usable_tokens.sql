-- How many tokens can be used now. ?1: now.
SELECT count(*) AS tokens
FROM token t
WHERE t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ?1)
