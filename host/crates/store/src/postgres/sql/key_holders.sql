-- The open chains that hold these keys.
SELECT k.type_id, k.key, k.chain_id
FROM unnest($1::int4[], $2::text[]) AS w (type_id, key)
JOIN hardstop.chain_key k ON k.type_id = w.type_id AND k.key = w.key AND k.open
