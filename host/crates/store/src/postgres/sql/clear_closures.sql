-- Forgets closures whose dependents have all been told.
DELETE FROM hardstop.closure WHERE chain_id = ANY ($1::uuid[])
