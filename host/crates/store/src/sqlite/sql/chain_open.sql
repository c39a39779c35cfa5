-- Whether a chain is open. ?1: the chain.
SELECT EXISTS (SELECT 1 FROM job_live WHERE id = ?1 AND chain_id = id)
       OR EXISTS (SELECT 1 FROM job_live WHERE chain_id = ?1 AND chain_id <> id) AS open
