-- Bearer tokens of the HTTP API. What each column means is said in the Postgres migration of the same number.
CREATE TABLE token (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 128),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    scopes INTEGER NOT NULL CHECK (scopes BETWEEN 1 AND 15),
    created_at INTEGER NOT NULL,
    actor TEXT NOT NULL CHECK (length(CAST(actor AS BLOB)) BETWEEN 1 AND 128),
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;
