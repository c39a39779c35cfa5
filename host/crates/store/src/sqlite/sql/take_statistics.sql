-- Takes the statistics whose time begins in [?1, ?2): of minutes, and of so many seconds (?3).
DELETE FROM statistic
WHERE seconds IN (60, ?3) AND at >= ?1 AND at < ?2
RETURNING type_id, statistic
