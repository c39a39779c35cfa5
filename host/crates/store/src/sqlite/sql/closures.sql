-- Chains whose dependents have not all been told, oldest first.
SELECT chain_id FROM closure ORDER BY created_at, chain_id LIMIT ?1
