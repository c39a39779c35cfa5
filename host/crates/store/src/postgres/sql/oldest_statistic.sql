-- The oldest minute of a session that is over for so many microseconds ($1), and the hour of the oldest minute, where that
-- hour is over for so many ($2).
SELECT (
    SELECT s.at FROM hardstop.statistic s
    WHERE s.seconds = 60 AND s.session <> 0
      AND s.at < (SELECT clock_timestamp()) - ($1::int8 + 60000000) * interval '1 microsecond'
    ORDER BY s.at
    LIMIT 1
) AS minute, (
    SELECT date_trunc('hour', s.at, 'UTC') FROM hardstop.statistic s
    WHERE s.seconds = 60
      AND s.at < date_trunc('hour', (SELECT clock_timestamp()) - $2::int8 * interval '1 microsecond', 'UTC')
    ORDER BY s.at
    LIMIT 1
) AS hour
