-- Records a deployment. ?5: now.
INSERT INTO deployment (id, component, name, specs, created_at)
VALUES (?1, ?2, ?3, ?4, ?5)
RETURNING created_at
