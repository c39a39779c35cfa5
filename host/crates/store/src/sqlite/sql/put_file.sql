-- Stores a file's bytes, if they are not stored. ?3: now.
INSERT INTO file (digest, size_bytes, bytes, created_at)
VALUES (?1, length(?2), ?2, ?3)
ON CONFLICT (digest) DO NOTHING
