SELECT (xact_commit + xact_rollback)::float8 FROM pg_stat_database WHERE datname = current_database()
