-- Takes a reopened chain's key again. Fails where another open chain has it.
UPDATE hardstop.chain_key SET open = true WHERE chain_id = $1 AND NOT open
