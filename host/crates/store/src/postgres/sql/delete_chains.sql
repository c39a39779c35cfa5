-- Removes chains, with all their jobs and all that belongs to either. $1: the chains. $2: their jobs.
WITH live AS (
    DELETE FROM hardstop.job_live WHERE id = ANY ($2::uuid[])
), done AS (
    DELETE FROM hardstop.job_done WHERE id = ANY ($2)
), body AS (
    DELETE FROM hardstop.job_body WHERE id = ANY ($2)
), attempt AS (
    DELETE FROM hardstop.job_attempt WHERE job_id = ANY ($2)
), blocker AS (
    DELETE FROM hardstop.job_blocker WHERE job_id = ANY ($2)
), chain_key AS (
    DELETE FROM hardstop.chain_key WHERE chain_id = ANY ($1::uuid[])
), lineage AS (
    DELETE FROM hardstop.lineage WHERE root_chain = ANY ($1)
)
DELETE FROM hardstop.closure WHERE chain_id = ANY ($1)
