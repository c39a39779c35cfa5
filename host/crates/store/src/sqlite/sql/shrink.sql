-- Gives up to 1,000 pages of the file back that are of no use any more.
PRAGMA incremental_vacuum(1000)
