-- Forgets statistics of hours that began more than so many microseconds ago. ?2: now.
DELETE FROM statistic WHERE seconds = 3600 AND at < ?2 - ?1
