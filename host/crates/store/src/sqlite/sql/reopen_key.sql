-- Takes a reopened chain's key again. Fails where another open chain has it.
UPDATE chain_key SET open = 1 WHERE chain_id = ?1 AND NOT open
