-- How many microseconds until the next pause is over; null where none has an end.
SELECT (extract(epoch FROM min(until) - clock_timestamp()) * 1000000)::int8 AS due_in_us FROM hardstop.pause
