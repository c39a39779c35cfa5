-- Subscriptions, by name, without listeners, which have none. ?1: only the one of this name, or null. ?2: up to how many deliveries to count.
SELECT s.id, s.name, s.url, s.kinds, t.name AS type_name, s.thresholds, s.actor, s.created_at, s.state,
       (SELECT count(*) FROM (
           SELECT 1 FROM delivery d WHERE d.subscription = s.id AND d.state = 1 LIMIT ?2
       ) w) AS waiting,
       (SELECT count(*) FROM (
           SELECT 1 FROM delivery d WHERE d.subscription = s.id AND d.state = 3 LIMIT ?2
       ) w) AS dead,
       s.delivered_at, s.failed_at, s.failure
FROM subscription s
LEFT JOIN job_type t ON t.id = s.type_id
WHERE s.state <> 4 AND (?1 IS NULL OR s.name = ?1)
ORDER BY s.name
