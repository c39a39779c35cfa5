-- Notes how the worker of session ?1 stands. ?2: slots. ?3: used. ?4: bytes of memory. ?5: admitted. ?6: whether it drains.
UPDATE session
SET slots = ?2, slots_used = ?3, memory_budget = ?4, memory_admitted = ?5, draining = ?6
WHERE id = ?1
RETURNING drain_asked_at
