-- The bytes of files that deployments carry. Which type sees them where is in its specification.
CREATE TABLE file (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    size_bytes INTEGER NOT NULL CHECK (size_bytes = length(bytes)),
    created_at INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
