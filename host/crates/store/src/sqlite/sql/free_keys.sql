-- Lets go of the keys of chains that have closed. The rows stay: windows look back at them. ?1: JSON list.
UPDATE chain_key SET open = 0 WHERE chain_id IN (SELECT unhex(value) FROM json_each(?1)) AND open
