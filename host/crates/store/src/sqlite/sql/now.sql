-- The database's time. ?1: now.
SELECT ?1 AS now
