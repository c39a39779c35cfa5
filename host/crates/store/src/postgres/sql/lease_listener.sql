-- Leases a listener to who goes on with it, and to nobody else any more. $1: its id.
UPDATE hardstop.subscription SET lease = lease + 1, heard_at = clock_timestamp() WHERE id = $1 RETURNING lease
