-- Stores a file's bytes, if they are not stored.
INSERT INTO hardstop.file (digest, size_bytes, bytes)
VALUES ($1, octet_length($2::bytea), $2)
ON CONFLICT (digest) DO NOTHING
