SELECT query, sum(calls)::float8
FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query NOT LIKE '%pg\_stat\_%'
GROUP BY query
ORDER BY sum(calls) DESC, query
