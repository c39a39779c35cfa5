-- One deployment in full.
SELECT id, name, component, created_at, specs FROM deployment WHERE id = ?1
