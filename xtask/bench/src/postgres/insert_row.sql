INSERT INTO bare (id, at, payload) VALUES ($1, clock_timestamp(), $2)
