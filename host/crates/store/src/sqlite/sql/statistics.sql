-- Statistics whose time begins in [?1, ?2). ?3: of one type, or null.
SELECT s.at, s.seconds, t.name AS type_name, s.statistic
FROM statistic s
JOIN job_type t ON t.id = s.type_id
WHERE s.seconds IN (60, 3600) AND s.at >= ?1 AND s.at < ?2 AND (?3 IS NULL OR s.type_id = ?3)
