-- Forgets sessions that ended more than a day ago. Running jobs of a session that is gone are rescued
-- as those of a dead one are.
DELETE FROM hardstop.session WHERE dead AND expires_at < clock_timestamp() - interval '1 day'
