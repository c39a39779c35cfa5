-- Records that a delivery failed. ?1: the subscription. ?2: its number. ?3: why. ?4: whether it is given up.
UPDATE delivery
SET failures = failures + 1, failure = ?3, state = CASE WHEN ?4 THEN 3 ELSE 1 END
WHERE subscription = ?1 AND id = ?2 AND state = 1
