-- Copies the write-ahead log to the file, as far as no reader needs it.
PRAGMA wal_checkpoint(PASSIVE)
