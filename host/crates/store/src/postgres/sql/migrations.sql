-- The migrations applied. Run only where the table exists.
SELECT version, description, checksum FROM hardstop.migration WHERE success ORDER BY version
