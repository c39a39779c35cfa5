-- Does the next step towards the partitions of the coming days, and says how much it did; see the function. One table at
-- a time: the locks of one are let go before the next one's are taken.
SELECT hardstop.make_partitions($1) AS made
