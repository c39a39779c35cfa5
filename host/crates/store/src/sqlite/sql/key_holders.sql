-- The open chains that hold these keys. ?1: JSON rows.
SELECT k.type_id, k.key, k.chain_id
FROM json_each(?1) w
CROSS JOIN chain_key k ON k.type_id = w.value ->> 'type_id' AND k.key = w.value ->> 'key' AND k.open
