-- Statistics whose time begins in [$1, $2), microseconds since 1970. $3: of one type, or null.
SELECT s.at, s.seconds, t.name AS type_name, s.statistic
FROM hardstop.statistic s
JOIN hardstop.job_type t ON t.id = s.type_id
WHERE s.seconds IN (60, 3600)
  AND s.at >= 'epoch'::timestamptz + $1::int8 * interval '1 microsecond'
  AND s.at < 'epoch'::timestamptz + $2::int8 * interval '1 microsecond'
  AND ($3::int4 IS NULL OR s.type_id = $3)
