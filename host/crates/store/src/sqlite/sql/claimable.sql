-- Whether a session lives, whether it is trusted still, and which of these types have jobs that may be run: not one that is
-- paused or held by a quarantine. ?1: the session. ?2: JSON list of types. ?3: now.
SELECT NOT s.dead AS alive, NOT s.dead AND s.expires_at > ?3 AS trusted, t.value AS type_id
FROM session s
LEFT JOIN json_each(?2) t ON EXISTS (
    SELECT 1 FROM job_live j WHERE j.state = 4 AND j.type_id = t.value
) AND NOT EXISTS (
    SELECT 1 FROM pause p WHERE p.type_id IN (0, t.value) AND (p.until IS NULL OR p.until > ?3)
) AND NOT EXISTS (
    SELECT 1 FROM quarantine q WHERE q.type_id = t.value AND q.holds
)
WHERE s.id = ?1
