-- The first job of a chain, which is most jobs, is found by its id: only those that continue a chain are in the index by chain.
DROP INDEX hardstop.job_live_chain;
CREATE UNIQUE INDEX job_live_chain ON hardstop.job_live (chain_id) WHERE chain_id <> id;

-- The one statement of `start_chain` that looks for live jobs by chain: the rest of the function stays as it is.
DO $do$
DECLARE
    here text := 'WHERE j.chain_id = ANY (missing) ORDER BY';
    body text := pg_get_functiondef('hardstop.start_chain(text, jsonb, jsonb)'::regprocedure);
BEGIN
    IF position(here IN body) = 0 THEN
        RAISE EXCEPTION 'hardstop.start_chain is not the function that Hardstop made: it does not hold `%`', here;
    END IF;
    EXECUTE replace(body, here, 'WHERE j.id = ANY (ARRAY('
        '    SELECT l.id FROM hardstop.job_live l WHERE l.id = ANY (missing) AND l.chain_id = l.id'
        '    UNION ALL'
        '    SELECT l.id FROM hardstop.job_live l WHERE l.chain_id = ANY (missing) AND l.chain_id <> l.id'
        ')) ORDER BY');
END
$do$;
