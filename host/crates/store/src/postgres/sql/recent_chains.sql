-- The newest other chain of each key that was started within the window, whatever became of it. The key is
-- the asker's at this moment, so no other start of it can be under way.
SELECT w.type_id, w.key, r.chain_id
FROM unnest($1::int4[], $2::text[], $3::uuid[], $4::int8[]) AS w (type_id, key, chain_id, window_ms)
CROSS JOIN LATERAL (
    SELECT k.chain_id
    FROM hardstop.chain_key k
    WHERE k.type_id = w.type_id AND k.key = w.key AND k.chain_id <> w.chain_id
      AND k.started_at > clock_timestamp() - w.window_ms * interval '1 millisecond'
    ORDER BY k.started_at DESC, k.chain_id DESC
    LIMIT 1
) r
