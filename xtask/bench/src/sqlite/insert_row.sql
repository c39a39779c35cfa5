INSERT INTO bare (id, at, payload) VALUES (?1, unixepoch(), ?2)
