-- Ends the sessions whose lease has run out. One whose row is locked is claiming or renewing just now.
UPDATE hardstop.session SET dead = true
WHERE id = ANY (ARRAY(
    SELECT id FROM hardstop.session
    WHERE NOT dead AND expires_at < clock_timestamp()
    ORDER BY id
    LIMIT 1000
    FOR NO KEY UPDATE SKIP LOCKED
))
RETURNING id
