-- What pages of rare jobs are found by, beside a long history of others.
-- What each index is for is said in the Postgres migration of the same number.
CREATE INDEX job_done_dead_chain ON job_done (state, chain_id, type_id, id) WHERE state IN (12, 13);
CREATE INDEX job_done_continued ON job_done (id, type_id) WHERE state = 11;
