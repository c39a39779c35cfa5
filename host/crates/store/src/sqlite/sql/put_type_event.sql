-- Records a change of a type's deployments. ?1: the type. ?2: the deployment. ?3: which kind. ?4: a share in percent.
-- ?5: a note. ?6: now.
INSERT INTO type_event (type_id, deployment, kind, percent, note, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
