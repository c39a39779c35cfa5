-- Records that a receiver has these events. ?1: the subscription. ?2: their numbers, a JSON list. ?3: now.
UPDATE delivery
SET state = 2, delivered_at = ?3, failure = NULL
WHERE subscription = ?1 AND id IN (SELECT value FROM json_each(?2)) AND state = 1
