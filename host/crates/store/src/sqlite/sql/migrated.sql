-- Whether any migration was ever begun here.
SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'hardstop_migration') AS migrated
