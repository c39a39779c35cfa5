-- Whether the file holds no table at all: it was made just now, by this process or by another.
SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema) AS empty
