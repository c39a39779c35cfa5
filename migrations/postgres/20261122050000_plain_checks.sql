-- Nothing here: to look a value up in a list of constants needs no table on Postgres.
SELECT;
