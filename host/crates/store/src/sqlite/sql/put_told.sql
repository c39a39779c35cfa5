-- Records the last place that was given in a listener's stream. ?1: the listener. ?2: the place.
UPDATE subscription SET told = ?2 WHERE id = ?1
