-- Whether any migration was ever begun here.
SELECT to_regclass('hardstop.migration') IS NOT NULL AS migrated
