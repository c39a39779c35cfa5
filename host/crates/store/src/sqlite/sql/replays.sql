-- A page of replays, newest first. ?1: older than this id. ?2: this one only, or null. ?3: the most.
SELECT r.id, r.created_at, r.actor, r.note, r.filter,
       (SELECT count(*) FROM replay_job j WHERE j.replay_id = r.id) AS jobs
FROM replay r
WHERE r.id < ?1 AND (?2 IS NULL OR r.id = ?2)
ORDER BY r.id DESC
LIMIT ?3
