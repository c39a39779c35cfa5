-- Wakes whoever listens.
SELECT pg_notify('hardstop', kind) FROM unnest($1::text[]) AS kind
