-- Counts new descendants.
UPDATE hardstop.lineage l SET descendants = l.descendants + g.more
FROM unnest($1::uuid[], $2::int8[]) AS g (root_chain, more)
WHERE l.root_chain = g.root_chain
