-- Records a deployment.
INSERT INTO hardstop.deployment (id, component, name, specs)
VALUES ($1, $2, $3, $4)
RETURNING created_at
