-- Forgets statistics of hours that began more than so many microseconds ago.
DELETE FROM hardstop.statistic
WHERE seconds = 3600 AND at < (SELECT clock_timestamp()) - $1::int8 * interval '1 microsecond'
