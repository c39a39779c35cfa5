-- All chains that were discarded or cancelled by one index, as before; those of more than one job, by another, where a type is
-- asked for. One that holds only these is no help where all are of more than one job and the others are looked for.
DROP INDEX hardstop.job_done_dead_chain;
CREATE INDEX job_done_dead_chain ON hardstop.job_done (state, chain_id) WHERE state IN (12, 13);
CREATE INDEX job_done_dead_continued ON hardstop.job_done (state, chain_id) WHERE state IN (12, 13) AND chain_id <> id;
