-- Takes the statistics whose time begins in [$1, $2), microseconds since 1970: of minutes, and of so many seconds ($3).
DELETE FROM hardstop.statistic
WHERE seconds IN (60, $3::int4)
  AND at >= 'epoch'::timestamptz + $1::int8 * interval '1 microsecond'
  AND at < 'epoch'::timestamptz + $2::int8 * interval '1 microsecond'
RETURNING type_id, statistic
