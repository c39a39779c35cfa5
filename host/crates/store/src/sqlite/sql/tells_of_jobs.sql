-- Whether any subscription wants to be told how jobs end.
SELECT EXISTS (SELECT 1 FROM subscription WHERE kinds & 115 <> 0) AS wanted
