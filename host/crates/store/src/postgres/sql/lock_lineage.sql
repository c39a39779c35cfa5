-- How many chains descend from these roots, locked until they have been counted anew.
INSERT INTO hardstop.lineage (root_chain, descendants)
SELECT r.root_chain, 0 FROM unnest($1::uuid[]) AS r (root_chain) ORDER BY r.root_chain
ON CONFLICT (root_chain) DO UPDATE SET descendants = lineage.descendants
RETURNING root_chain, descendants
