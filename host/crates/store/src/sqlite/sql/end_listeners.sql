-- Ends the listeners that nobody has heard for so many microseconds (?1), and those for which more than so many events
-- wait (?2). ?3: now.
UPDATE subscription
SET kinds = 0
WHERE state = 4 AND kinds <> 0
  AND (
      heard_at <= ?3 - ?1
      OR EXISTS (
          SELECT 1 FROM delivery d WHERE d.subscription = subscription.id AND d.state = 1 ORDER BY d.id LIMIT 1 OFFSET ?2
      )
  )
