-- Forgets all but the last times of each schedule. $1: how many to keep.
DELETE FROM hardstop.schedule_fire f
USING hardstop.schedule s
WHERE f.schedule = s.name AND f.at < (
    SELECT k.at FROM hardstop.schedule_fire k
    WHERE k.schedule = s.name
    ORDER BY k.at DESC
    OFFSET $1::int8 - 1
    LIMIT 1
)
