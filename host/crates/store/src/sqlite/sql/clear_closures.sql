-- Forgets closures whose dependents have all been told. ?1: JSON list.
DELETE FROM closure WHERE chain_id IN (SELECT unhex(value) FROM json_each(?1))
