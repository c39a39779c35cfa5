-- Stores a component, or renames one that is stored.
INSERT INTO hardstop.component (digest, name, size_bytes, bytes)
VALUES ($1, $2, octet_length($3::bytea), $3)
ON CONFLICT (digest) DO UPDATE SET name = excluded.name
