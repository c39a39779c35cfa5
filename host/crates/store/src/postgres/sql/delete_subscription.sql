-- Deletes a subscription. Its deliveries go with time. $1: its name.
DELETE FROM hardstop.subscription WHERE name = $1 RETURNING id
