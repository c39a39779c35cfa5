-- Ends the listeners that nobody has heard for so many microseconds ($1), and those for which more than so many events
-- wait ($2).
UPDATE hardstop.subscription s
SET kinds = 0
WHERE s.state = 4 AND s.kinds <> 0
  AND (
      s.heard_at <= clock_timestamp() - $1::int8 * interval '1 microsecond'
      OR EXISTS (
          SELECT FROM hardstop.delivery d WHERE d.subscription = s.id AND d.state = 1 ORDER BY d.id LIMIT 1 OFFSET $2
      )
  )
