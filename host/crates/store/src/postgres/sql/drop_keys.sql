-- Gives back keys that were taken for chains which are not started after all.
DELETE FROM hardstop.chain_key WHERE chain_id = ANY ($1::uuid[])
