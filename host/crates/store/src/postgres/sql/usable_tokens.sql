-- How many tokens can be used now.
SELECT count(*) AS tokens
FROM hardstop.token t
WHERE t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
