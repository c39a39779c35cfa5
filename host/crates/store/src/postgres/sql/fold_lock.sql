-- Whether this transaction may fold counters and statistics: one host does it at a time.
SELECT pg_try_advisory_xact_lock(hashtextextended('hardstop.fold', 0)) AS locked
