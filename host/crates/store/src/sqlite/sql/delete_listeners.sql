-- Deletes listeners that have ended, once their deliveries are gone.
DELETE FROM subscription
WHERE state = 4 AND kinds = 0 AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.subscription = subscription.id)
