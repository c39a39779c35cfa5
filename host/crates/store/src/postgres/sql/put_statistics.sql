-- Writes statistics of minutes or hours ($1: their seconds), in the place of what the session ($2) wrote of them before.
INSERT INTO hardstop.statistic (at, seconds, type_id, session, statistic)
SELECT 'epoch'::timestamptz + s.at * interval '1 microsecond', $1::int4, s.type_id, $2::int4, s.statistic
FROM unnest($3::int8[], $4::int4[], $5::text[]) AS s (at, type_id, statistic)
ON CONFLICT (seconds, at, type_id, session) DO UPDATE SET statistic = excluded.statistic
