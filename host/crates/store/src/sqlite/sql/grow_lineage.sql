-- Counts new descendants. ?1: JSON list of [root, more].
UPDATE lineage SET descendants = descendants + g.more
FROM (SELECT unhex(value ->> 0) AS root_chain, value ->> 1 AS more FROM json_each(?1)) g
WHERE lineage.root_chain = g.root_chain
