-- Writes statistics of minutes or hours (?1: their seconds), in the place of what the session (?2) wrote of them before.
-- ?3: JSON list of [at, type, statistic].
INSERT INTO statistic (at, seconds, type_id, session, statistic)
SELECT value ->> 0, ?1, value ->> 1, ?2, value ->> 2 FROM json_each(?3) WHERE true
ON CONFLICT (seconds, at, type_id, session) DO UPDATE SET statistic = excluded.statistic
