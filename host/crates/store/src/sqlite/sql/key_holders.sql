-- The open chains that hold these keys. By the index that is named, for SQLite would read every chain that ever had
-- the key. ?1: JSON rows.
SELECT k.type_id, k.key, k.chain_id
FROM json_each(?1) w
CROSS JOIN chain_key k INDEXED BY chain_key_open
    ON k.type_id = w.value ->> 'type_id' AND k.key = w.value ->> 'key' AND k.open
