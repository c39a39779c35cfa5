-- Drops the partitions of the oldest day that has ended so long ago; see the function. $1: microseconds that completed
-- jobs are kept, $2: discarded, $3: cancelled ones; null: for ever. Says how many partitions it dropped.
SELECT hardstop.drop_day(
    clock_timestamp() - $1::int8 * interval '1 microsecond',
    coalesce(clock_timestamp() - $2::int8 * interval '1 microsecond', '-infinity'),
    coalesce(clock_timestamp() - $3::int8 * interval '1 microsecond', '-infinity')
) AS dropped
