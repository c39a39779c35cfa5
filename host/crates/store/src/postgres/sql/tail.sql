-- The live job of a chain.
SELECT id FROM hardstop.job_live WHERE chain_id = $1
