-- Gives back keys that were taken for chains which are not started after all. ?1: JSON list.
DELETE FROM chain_key WHERE chain_id IN (SELECT unhex(value) FROM json_each(?1))
