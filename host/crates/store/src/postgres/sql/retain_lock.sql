-- Whether this host is the one that removes what is too old, until its transaction ends.
SELECT pg_try_advisory_xact_lock(hashtextextended('hardstop.retain', 0)) AS locked
