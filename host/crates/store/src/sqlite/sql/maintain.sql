-- Forgets sessions that ended more than a day ago. Running jobs of a session that is gone are rescued
-- as those of a dead one are. ?1: now.
DELETE FROM session WHERE dead AND expires_at < ?1 - 86400000000
