-- How many chains descend from these roots. ?1: JSON list.
INSERT INTO lineage (root_chain, descendants)
SELECT unhex(r.value), 0 FROM json_each(?1) r
WHERE true
ON CONFLICT (root_chain) DO UPDATE SET descendants = lineage.descendants
RETURNING root_chain, descendants
