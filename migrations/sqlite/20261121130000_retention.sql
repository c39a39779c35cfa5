-- Dead letters by type, and retention. Days have no partitions here: retention removes rows.
CREATE INDEX job_done_dead_type ON job_done (type_id, state, id) WHERE state IN (12, 13);
