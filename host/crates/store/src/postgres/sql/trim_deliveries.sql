-- Forgets deliveries, a bounded number: those that arrived and are so many microseconds old ($1), and others that are so old
-- ($2). $3: the most.
DELETE FROM hardstop.delivery
WHERE id = ANY (ARRAY(
    SELECT d.id
    FROM hardstop.delivery d
    WHERE d.at < (SELECT clock_timestamp() - $1::int8 * interval '1 microsecond')
      AND (d.state = 2 OR d.at < (SELECT clock_timestamp() - $2::int8 * interval '1 microsecond'))
    LIMIT $3
))
