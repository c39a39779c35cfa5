-- Forgets idempotency keys. ?1: those that are older than so many microseconds. ?2: now.
DELETE FROM request
WHERE at < ?2 - ?1
