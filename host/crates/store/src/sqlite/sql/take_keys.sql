-- Takes deduplication keys for new chains. Returns the chains that have theirs now; the others' are held by
-- open chains. ?1: JSON rows. ?2: now.
INSERT INTO chain_key (type_id, key, chain_id, started_at)
SELECT k.value ->> 'type_id', k.value ->> 'key', unhex(k.value ->> 'chain_id'), ?2
FROM json_each(?1) k
WHERE true
ON CONFLICT (type_id, key) WHERE open DO NOTHING
RETURNING chain_id
