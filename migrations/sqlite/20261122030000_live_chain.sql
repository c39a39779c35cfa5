-- The first job of a chain, which is most jobs, is found by its id: only those that continue a chain are in the index by chain.
DROP INDEX job_live_chain;
CREATE UNIQUE INDEX job_live_chain ON job_live (chain_id) WHERE chain_id <> id;
