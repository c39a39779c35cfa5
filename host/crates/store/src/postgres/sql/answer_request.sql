-- Keeps what the request with a key came to. $1: the actor. $2: the key. $3: JSON.
UPDATE hardstop.request
SET answer = $3
WHERE actor = $1 AND key = $2
