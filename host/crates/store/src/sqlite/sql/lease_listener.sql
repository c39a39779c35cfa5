-- Leases a listener to who goes on with it, and to nobody else any more. ?1: its id. ?2: now.
UPDATE subscription SET lease = lease + 1, heard_at = ?2 WHERE id = ?1 RETURNING lease
