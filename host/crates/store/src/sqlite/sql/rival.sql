-- The open chain that holds the key of a job's chain.
SELECT other.chain_id
FROM job_done d
CROSS JOIN chain_key own ON own.chain_id = d.chain_id
CROSS JOIN chain_key other ON other.type_id = own.type_id AND other.key = own.key AND other.open
WHERE d.id = ?1 AND other.chain_id <> d.chain_id
LIMIT 1
