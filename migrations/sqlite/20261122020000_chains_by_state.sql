-- Chains of one job that were discarded or cancelled are found as jobs are; only those of more need an index by the chain.
DROP INDEX job_done_dead_chain;
CREATE INDEX job_done_dead_chain ON job_done (state, chain_id) WHERE state IN (12, 13) AND chain_id <> id;
