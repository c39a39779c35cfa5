DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET pg_stat_statements.track = ''top''', current_database());
END
$$
