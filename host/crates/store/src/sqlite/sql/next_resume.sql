-- How many microseconds until the next pause is over; null where none has an end. ?1: now.
SELECT min(until) - ?1 AS due_in_us FROM pause
