-- Pages of what was discarded or cancelled, by type or outcome: jobs of others are passed over in the index.
DROP INDEX hardstop.job_done_dead;
CREATE INDEX job_done_dead ON hardstop.job_done (state, id, type_id, outcome) WHERE state IN (12, 13);
