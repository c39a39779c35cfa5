-- Makes the partitions of the coming days. One table at a time: the locks of one are let go before
-- the next one's are taken.
SELECT hardstop.make_partitions($1)
