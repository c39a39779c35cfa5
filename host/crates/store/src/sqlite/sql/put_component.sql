-- Stores a component, or renames one that is stored. ?4: now.
INSERT INTO component (digest, name, size_bytes, bytes, created_at)
VALUES (?1, ?2, length(?3), ?3, ?4)
ON CONFLICT (digest) DO UPDATE SET name = excluded.name
