-- What the request with a key came to. $1: the actor. $2: the key.
SELECT r.fingerprint, r.answer
FROM hardstop.request r
WHERE r.actor = $1 AND r.key = $2
