-- Chains whose dependents have not all been told, oldest first, locked.
SELECT chain_id FROM hardstop.closure ORDER BY created_at, chain_id LIMIT $1 FOR UPDATE SKIP LOCKED
