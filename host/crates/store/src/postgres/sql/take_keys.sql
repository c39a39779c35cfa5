-- Takes deduplication keys for new chains. Returns the chains that have theirs now; the others' are held by
-- open chains. Waits for a start of the same key that is not committed yet.
INSERT INTO hardstop.chain_key (type_id, key, chain_id, started_at)
SELECT k.type_id, k.key, k.chain_id, clock_timestamp()
FROM unnest($1::int4[], $2::text[], $3::uuid[]) AS k (type_id, key, chain_id)
ORDER BY k.type_id, k.key
ON CONFLICT (type_id, key) WHERE open DO NOTHING
RETURNING chain_id
