-- The bytes of files that deployments carry. Which type sees them where is in its specification.
CREATE TABLE hardstop.file (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    size_bytes int8 NOT NULL CHECK (size_bytes = octet_length(bytes)),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    bytes bytea NOT NULL
);
-- Read whole, and often compressed already.
ALTER TABLE hardstop.file ALTER COLUMN bytes SET STORAGE EXTERNAL;
