-- Checks of `x IN (a list)` become comparisons: of more than two values SQLite makes a table in memory for each row that is written,
-- which took a quarter of the time of an insert. The rows are as they were, so the text of the tables is changed in its place, as SQLite's
-- documentation of ALTER TABLE says for constraints: https://sqlite.org/lang_altertable.html#otheralter
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (state IN (1, 2, 3, 4, 5))', 'CHECK (state BETWEEN 1 AND 5)')
WHERE type = 'table' AND name = 'job_live';
UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (state IN (10, 11, 12, 13))', 'CHECK (state BETWEEN 10 AND 13)')
WHERE type = 'table' AND name = 'job_done';
UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (state IN (10, 12, 13))', 'CHECK (state BETWEEN 10 AND 13 AND state <> 11)')
WHERE type = 'table' AND name = 'closure';
UPDATE sqlite_schema
SET sql = replace(sql, 'CHECK (kind IN (1, 2, 4, 8, 16, 32, 64))', 'CHECK (kind BETWEEN 1 AND 64 AND kind & (kind - 1) = 0)')
WHERE type = 'table' AND name = 'delivery';
-- Read it anew here, and then make every other connection read it anew.
PRAGMA writable_schema = RESET;
CREATE TABLE reread (id INTEGER) STRICT;
DROP TABLE reread;
