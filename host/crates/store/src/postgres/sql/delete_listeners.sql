-- Deletes listeners that have ended, once their deliveries are gone. One that commits later goes with time.
DELETE FROM hardstop.subscription s
WHERE s.state = 4 AND s.kinds = 0 AND NOT EXISTS (SELECT FROM hardstop.delivery d WHERE d.subscription = s.id)
