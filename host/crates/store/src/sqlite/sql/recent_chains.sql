-- The newest other chain of each key that was started within the window, whatever became of it.
-- ?1: JSON rows. ?2: now.
SELECT type_id, key, chain_id
FROM (
    SELECT k.type_id, k.key, k.chain_id,
           row_number() OVER (PARTITION BY k.type_id, k.key ORDER BY k.started_at DESC, k.chain_id DESC) AS place
    FROM json_each(?1) w
    CROSS JOIN chain_key k ON k.type_id = w.value ->> 'type_id' AND k.key = w.value ->> 'key'
        AND k.chain_id <> unhex(w.value ->> 'chain_id') AND k.started_at > ?2 - (w.value ->> 'window_ms') * 1000
)
WHERE place = 1
