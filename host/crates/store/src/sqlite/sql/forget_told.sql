-- Forgets what is far back in a listener's stream. ?1: the listener. ?2: the last place to forget.
DELETE FROM delivery WHERE subscription = ?1 AND position <= ?2
