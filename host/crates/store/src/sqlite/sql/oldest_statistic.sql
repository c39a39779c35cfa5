-- The oldest minute of a session that is over for so many microseconds (?1), and the hour of the oldest minute, where that
-- hour is over for so many (?2). ?3: now.
SELECT (
    SELECT s.at FROM statistic s
    WHERE s.seconds = 60 AND s.session <> 0 AND s.at < ?3 - ?1 - 60000000
    ORDER BY s.at
    LIMIT 1
) AS minute, (
    SELECT s.at - s.at % 3600000000 FROM statistic s
    WHERE s.seconds = 60 AND s.at < (?3 - ?2) - (?3 - ?2) % 3600000000
    ORDER BY s.at
    LIMIT 1
) AS hour
