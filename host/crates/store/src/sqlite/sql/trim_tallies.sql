-- Forgets what no rule looks at any more. ?1: the type. ?2: the component. ?3: the oldest row that is kept.
DELETE FROM attempt_tally WHERE type_id = ?1 AND component = ?2 AND id < ?3
