-- What pages of rare jobs are found by, beside a long history of others.

-- The last jobs of chains that were discarded or cancelled, by their chains. With the job and its type, so that of a chain
-- of one job everything is there.
CREATE INDEX job_done_dead_chain ON hardstop.job_done (state, chain_id, type_id, id) WHERE state IN (12, 13);
-- Jobs that continued: few in most histories. The type is in it, so that jobs of others are passed over without a look.
CREATE INDEX job_done_continued ON hardstop.job_done (id, type_id) WHERE state = 11;
