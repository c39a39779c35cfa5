-- Wakes whoever listens.
SELECT pg_notify('hardstop', message) FROM unnest($1::text[]) AS message
