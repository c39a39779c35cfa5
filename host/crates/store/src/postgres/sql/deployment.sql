-- One deployment in full.
SELECT id, name, component, created_at, specs FROM hardstop.deployment WHERE id = $1
