-- Starts a chain inside the caller's transaction, from any language. The rules, and the words of the errors, are those
-- of the store's own `enqueue`; a change there is a change here, in a new migration.

-- A UUIDv7: the milliseconds since 1970, the version, and random bits.
CREATE FUNCTION hardstop.new_id() RETURNS uuid
LANGUAGE sql VOLATILE SET search_path = '' AS $$
    SELECT encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::int8) FROM 3)
                    FROM 1 FOR 6),
            52, 1), 53, 1),
        'hex')::uuid
$$;

-- One whole number among the options; null where it is not given.
CREATE FUNCTION hardstop.start_chain_number(options jsonb, field text) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE SET search_path = '' AS $$
DECLARE
    given jsonb := nullif(options -> field, 'null');
BEGIN
    IF given IS NULL THEN
        RETURN NULL;
    END IF;
    IF jsonb_typeof(given) <> 'number' OR given::numeric <> trunc(given::numeric) THEN
        RAISE EXCEPTION 'option `%` = % is not a whole number', field, left(given::text, 100)
            USING ERRCODE = 'HS002', HINT = 'write it as a JSON number without a fraction';
    END IF;
    RETURN given::numeric;
END
$$;

-- One text among the options; null where it is not given.
CREATE FUNCTION hardstop.start_chain_text(options jsonb, field text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = '' AS $$
DECLARE
    given jsonb := nullif(options -> field, 'null');
BEGIN
    IF jsonb_typeof(given) <> 'string' THEN
        RAISE EXCEPTION 'option `%` = % is not a text', field, left(given::text, 100)
            USING ERRCODE = 'HS002', HINT = 'write it as a JSON string';
    END IF;
    RETURN given #>> '{}';
END
$$;

-- The limits among the options as a worker reads them; null where there are none.
CREATE FUNCTION hardstop.start_chain_limits(options jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = '' AS $$
DECLARE
    given jsonb := nullif(options -> 'limits', 'null');
    name text;
    value jsonb;
    form text;
    fits bool;
BEGIN
    IF given IS NULL OR given = '{}' THEN
        RETURN NULL;
    END IF;
    IF jsonb_typeof(given) <> 'object' THEN
        RAISE EXCEPTION 'option `limits` = % is not an object', left(given::text, 100)
            USING ERRCODE = 'HS002', HINT = 'write it as {"wall_timeout": "2s"}';
    END IF;
    FOR name, value IN SELECT * FROM jsonb_each(given) LOOP
        form := CASE
            WHEN name IN ('wall_timeout', 'cpu_time') THEN 'duration'
            WHEN name IN ('memory', 'host_call', 'input', 'output', 'log') THEN 'size'
            WHEN name IN ('fuel', 'memories', 'tables', 'table_elements', 'instances', 'handles', 'log_lines',
                          'progress_rate', 'children', 'depth', 'descendants') THEN 'number'
        END;
        IF form IS NULL THEN
            RAISE EXCEPTION 'limit `%` cannot be set for one job', name
                USING ERRCODE = 'HS002', HINT = 'docs/reference/configuration.md lists them; stack is set for the type';
        END IF;
        -- Short enough that no unit makes it more than a worker can hold.
        fits := CASE form
            WHEN 'duration' THEN jsonb_typeof(value) = 'string' AND (value #>> '{}') ~ '^(0|([0-9]{1,9}(ms|s|m|h|d)){1,5})$'
            WHEN 'size' THEN (jsonb_typeof(value) = 'string' AND (value #>> '{}') ~ '^[0-9]{1,9}(B|KiB|MiB|GiB|kB|MB|GB)?$')
                OR (jsonb_typeof(value) = 'number' AND value::text ~ '^[0-9]{1,18}$')
            ELSE jsonb_typeof(value) = 'number' AND value::text ~ '^[0-9]{1,18}$'
        END;
        IF NOT fits THEN
            RAISE EXCEPTION 'limit `%` = % is not a %', name, left(value::text, 100), form
                USING ERRCODE = 'HS002', HINT = CASE form
                    WHEN 'duration' THEN 'write a number and a unit (ms, s, m, h, d), such as "30s"'
                    WHEN 'size' THEN 'write a number and a unit (B, KiB, MiB, GiB), such as "64MiB"'
                    ELSE 'write a whole number' END;
        END IF;
    END LOOP;
    RETURN given::text;
END
$$;

-- Starts a chain of this type with this input. Options, each of which may be left out:
--
--   id                  the chain's id, a UUID, best a UUIDv7
--   delay_ms            milliseconds before it becomes ready
--   at                  the time before which it does not, such as 2026-03-01T09:00:00Z
--   priority            from -100 to 100; smaller runs earlier among jobs of one type
--   limits              an object of limits to lower
--   trace_parent        W3C traceparent
--   key                 nothing is started while another chain of the type with this key is open
--   key_window_ms       nor if one was started within so many milliseconds before
--   blockers            an array of ids of chains that must close first
--   on_blocker_failure  cancel (the default), run or hold
--
-- Answers with the chain's id, or with that of the chain which made it superfluous. Runs with the caller's rights
-- and at READ COMMITTED. Errors: HS001 unknown type, HS002 a value that cannot be, HS003 unknown chain, HS004 payload
-- too large, HS006 the id is taken.
CREATE FUNCTION hardstop.start_chain(type text, input jsonb, options jsonb DEFAULT '{}')
RETURNS TABLE (chain_id uuid, deduplicated bool)
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
#variable_conflict use_column
DECLARE
    payload_bytes_max CONSTANT int8 := 16777216;
    delay_ms_max CONSTANT int8 := 31622400000;
    window_ms_max CONSTANT int8 := 7776000000;
    blockers_max CONSTANT int4 := 10000;
    uuid_form CONSTANT text := '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$';
    opts jsonb := coalesce(start_chain.options, '{}');
    payload text := start_chain.input::text;
    unknown_option text;
    new_type int4;
    external_ms int8;
    id_text text;
    own uuid;
    own_priority numeric;
    own_delay numeric;
    at_text text;
    not_before timestamptz;
    own_limits text;
    own_trace text;
    own_key text;
    window_ms numeric;
    policy_name text;
    policy int2;
    awaited uuid[] := '{}';
    missing uuid[];
    found_open uuid[];
    ended_chains uuid[] := '{}';
    ended_jobs uuid[] := '{}';
    ended_states int2[] := '{}';
    more_chains uuid[];
    more_jobs uuid[];
    more_states int2[];
    failed_chain uuid;
    failed_state int2;
    still_open int4 := 0;
    holder uuid;
    taken bool := false;
    read_at timestamptz;
    due timestamptz;
    new_state int2;
BEGIN
    IF jsonb_typeof(opts) <> 'object' THEN
        RAISE EXCEPTION 'options = % is not an object', left(opts::text, 100)
            USING ERRCODE = 'HS002', HINT = 'write it as {"priority": 5}';
    END IF;
    SELECT o INTO unknown_option FROM jsonb_object_keys(opts) AS o
    WHERE o <> ALL (ARRAY['id', 'delay_ms', 'at', 'priority', 'limits', 'trace_parent', 'key', 'key_window_ms',
                          'blockers', 'on_blocker_failure'])
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no option `%`', unknown_option
            USING ERRCODE = 'HS002', HINT = 'these exist: id, delay_ms, at, priority, limits, trace_parent, key, '
                'key_window_ms, blockers, on_blocker_failure';
    END IF;

    SELECT t.id, t.external_deadline_ms INTO new_type, external_ms
    FROM hardstop.job_type t WHERE t.name = start_chain.type;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'type `%` is not deployed', start_chain.type
            USING ERRCODE = 'HS001', HINT = '`hardstop type list` shows what is deployed; `hardstop deploy` adds to it';
    END IF;
    IF payload IS NULL THEN
        RAISE EXCEPTION 'the input of `%` is NULL', start_chain.type
            USING ERRCODE = 'HS002', HINT = 'give a JSON value; ''null''::jsonb is one';
    END IF;
    IF octet_length(payload) > payload_bytes_max THEN
        RAISE EXCEPTION 'input of % bytes is over the maximum of % bytes', octet_length(payload), payload_bytes_max
            USING ERRCODE = 'HS004', HINT = 'keep what is large elsewhere and put its address into the input';
    END IF;

    id_text := hardstop.start_chain_text(opts, 'id');
    IF id_text !~ uuid_form THEN
        RAISE EXCEPTION '`%` is not a chain id (the id of the chain''s first job)', left(id_text, 100)
            USING ERRCODE = 'HS002', HINT = 'option `id` is a UUID; leave it out to have one made';
    END IF;
    own := coalesce(id_text::uuid, hardstop.new_id());
    own_priority := coalesce(hardstop.start_chain_number(opts, 'priority'), 0);
    IF own_priority NOT BETWEEN -100 AND 100 THEN
        RAISE EXCEPTION 'priority % of job % is not from -100 to 100', own_priority, own
            USING ERRCODE = 'HS002', HINT = 'option `priority`: smaller runs earlier, 0 is usual';
    END IF;
    own_delay := coalesce(hardstop.start_chain_number(opts, 'delay_ms'), 0);
    IF own_delay < 0 THEN
        RAISE EXCEPTION 'delay of % ms of job % is negative', own_delay, own
            USING ERRCODE = 'HS002', HINT = 'option `delay_ms`: leave it out to start at once';
    END IF;
    IF own_delay > delay_ms_max THEN
        RAISE EXCEPTION 'delay of % ms of job % is over the maximum of % ms', own_delay, own, delay_ms_max
            USING ERRCODE = 'HS002', HINT = 'option `delay_ms`: a schedule, or a chain that waits, reaches further';
    END IF;
    at_text := hardstop.start_chain_text(opts, 'at');
    IF at_text IS NOT NULL THEN
        BEGIN
            not_before := least(at_text::timestamptz, '3000-01-01T00:00:00Z'::timestamptz);
        EXCEPTION WHEN data_exception THEN
            RAISE EXCEPTION '`%` is not a time such as 2026-03-01T09:00:00Z', left(at_text, 100)
                USING ERRCODE = 'HS002', HINT = 'option `at`: write a date, a time and an offset';
        END;
    END IF;
    own_limits := hardstop.start_chain_limits(opts);
    own_trace := hardstop.start_chain_text(opts, 'trace_parent');
    IF octet_length(own_trace) > 256 THEN
        RAISE EXCEPTION 'the trace parent of job % is not one', own
            USING ERRCODE = 'HS002', HINT = 'option `trace_parent` is a W3C traceparent of at most 256 bytes';
    END IF;
    own_key := hardstop.start_chain_text(opts, 'key');
    IF octet_length(own_key) NOT BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION 'deduplication key of % bytes: 1 to 255 bytes without NUL are allowed', octet_length(own_key)
            USING ERRCODE = 'HS002', HINT = 'option `key`: a digest of what is long does as well';
    END IF;
    window_ms := hardstop.start_chain_number(opts, 'key_window_ms');
    IF window_ms IS NOT NULL AND own_key IS NULL THEN
        RAISE EXCEPTION 'option `key_window_ms` = % is given without `key`', window_ms
            USING ERRCODE = 'HS002', HINT = 'give the key that the window is for, too';
    END IF;
    IF window_ms NOT BETWEEN 1 AND window_ms_max THEN
        RAISE EXCEPTION 'deduplication window of % ms is not from 1 to % ms', window_ms, window_ms_max
            USING ERRCODE = 'HS002', HINT = 'option `key_window_ms`: leave it out to look at open chains only';
    END IF;
    policy_name := coalesce(hardstop.start_chain_text(opts, 'on_blocker_failure'), 'cancel');
    policy := array_position(ARRAY['cancel', 'run', 'hold'], policy_name) - 1;
    IF policy IS NULL THEN
        RAISE EXCEPTION 'option `on_blocker_failure` = `%` is not one of cancel, run, hold', left(policy_name, 100)
            USING ERRCODE = 'HS002', HINT = 'leave it out for cancel';
    END IF;
    IF nullif(opts -> 'blockers', 'null') IS NOT NULL THEN
        IF jsonb_typeof(opts -> 'blockers') <> 'array' THEN
            RAISE EXCEPTION 'option `blockers` = % is not an array', left(opts ->> 'blockers', 100)
                USING ERRCODE = 'HS002', HINT = 'write it as ["CHAIN", "CHAIN"]';
        END IF;
        IF jsonb_array_length(opts -> 'blockers') > blockers_max THEN
            RAISE EXCEPTION 'job % names % blockers, over the maximum of %', own,
                jsonb_array_length(opts -> 'blockers'), blockers_max
                USING ERRCODE = 'HS002', HINT = 'let chains in between gather some of them each';
        END IF;
        SELECT b INTO id_text FROM jsonb_array_elements_text(opts -> 'blockers') AS b
        WHERE (b ~ uuid_form) IS NOT TRUE LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION '`%` is not a chain id (the id of the chain''s first job)', coalesce(left(id_text, 100), 'null')
                USING ERRCODE = 'HS002', HINT = 'option `blockers` holds UUIDs';
        END IF;
        awaited := ARRAY(SELECT b::uuid FROM jsonb_array_elements_text(opts -> 'blockers') WITH ORDINALITY AS e (b, n)
                         ORDER BY n);
        IF own = ANY (awaited) THEN
            RAISE EXCEPTION 'chains block each other: % waits for %', own, own
                USING ERRCODE = 'HS002', HINT = 'a chain cannot wait for itself';
        END IF;
    END IF;
    IF EXISTS (SELECT FROM hardstop.job_body b WHERE b.id = own) THEN
        RAISE EXCEPTION 'a job with the id % exists already', own
            USING ERRCODE = 'HS006', HINT = 'it was started before, perhaps by this same call';
    END IF;

    -- The key. Each statement sees what was committed before it: whoever holds the key is found by the second,
    -- unless it has let go meanwhile.
    IF own_key IS NOT NULL THEN
        FOR look IN 1..100 LOOP
            INSERT INTO hardstop.chain_key (type_id, key, chain_id, started_at)
            VALUES (new_type, own_key, own, clock_timestamp())
            ON CONFLICT (type_id, key) WHERE open DO NOTHING;
            taken := FOUND;
            EXIT WHEN taken;
            SELECT k.chain_id INTO holder FROM hardstop.chain_key k
            WHERE k.type_id = new_type AND k.key = own_key AND k.open;
            IF FOUND THEN
                RETURN QUERY SELECT holder, true;
                RETURN;
            END IF;
        END LOOP;
        IF NOT taken THEN
            RAISE EXCEPTION 'deduplication key `%` changes hands too fast: 100 attempts to take it failed', own_key
                USING ERRCODE = 'HS002', HINT = 'try again, at the isolation level READ COMMITTED';
        END IF;
        IF window_ms IS NOT NULL THEN
            SELECT k.chain_id INTO holder FROM hardstop.chain_key k
            WHERE k.type_id = new_type AND k.key = own_key AND k.chain_id <> own
              AND k.started_at > clock_timestamp() - window_ms::float8 * interval '1 millisecond'
            ORDER BY k.started_at DESC, k.chain_id DESC
            LIMIT 1;
            IF FOUND THEN
                DELETE FROM hardstop.chain_key k WHERE k.chain_id = own;
                RETURN QUERY SELECT holder, true;
                RETURN;
            END IF;
        END IF;
    END IF;

    -- The blockers: open ones are marked, closed ones are locked against deletion. One that continues at this moment
    -- is neither open nor closed to one look, so both looks are repeated.
    missing := ARRAY(SELECT DISTINCT b FROM unnest(awaited) AS b);
    FOR look IN 1..100 LOOP
        EXIT WHEN cardinality(missing) = 0;
        WITH tail AS MATERIALIZED (
            SELECT j.id FROM hardstop.job_live j WHERE j.chain_id = ANY (missing) ORDER BY j.id FOR NO KEY UPDATE
        ), marked AS (
            UPDATE hardstop.job_live j SET blocking = true WHERE j.id = ANY (ARRAY(SELECT id FROM tail))
            RETURNING j.chain_id
        )
        SELECT coalesce(array_agg(m.chain_id), '{}') INTO found_open FROM marked m;
        missing := ARRAY(SELECT b FROM unnest(missing) AS b EXCEPT SELECT b FROM unnest(found_open) AS b);
        EXIT WHEN cardinality(missing) = 0;
        SELECT coalesce(array_agg(e.chain_id), '{}'), coalesce(array_agg(e.id), '{}'), coalesce(array_agg(e.state), '{}')
        INTO more_chains, more_jobs, more_states
        FROM (
            SELECT d.id, d.chain_id, d.state FROM hardstop.job_done d
            WHERE d.id = ANY (ARRAY(
                SELECT f.id FROM hardstop.job_done f WHERE f.id = ANY (missing) AND f.chain_id = f.id AND f.state <> 11
                UNION ALL
                SELECT f.id FROM hardstop.job_done f
                WHERE f.chain_id = ANY (missing) AND f.chain_id <> f.id AND f.state <> 11
            ))
            ORDER BY d.id
            FOR SHARE
        ) e;
        ended_chains := ended_chains || more_chains;
        ended_jobs := ended_jobs || more_jobs;
        ended_states := ended_states || more_states;
        missing := ARRAY(SELECT b FROM unnest(missing) AS b EXCEPT SELECT b FROM unnest(more_chains) AS b);
        EXIT WHEN EXISTS (
            SELECT FROM unnest(missing) AS b WHERE NOT EXISTS (SELECT FROM hardstop.job_body i WHERE i.id = b)
        );
    END LOOP;
    IF cardinality(missing) > 0 THEN
        RAISE EXCEPTION 'there is no chain %', coalesce(
            (SELECT min(b::text) FROM unnest(missing) AS b
             WHERE NOT EXISTS (SELECT FROM hardstop.job_body i WHERE i.id = b)),
            missing[1]::text)
            USING ERRCODE = 'HS003', HINT = 'option `blockers`: a chain''s id is that of its first job';
    END IF;
    INSERT INTO hardstop.job_blocker (job_id, position, chain_id, closed_by)
    SELECT own, b.n - 1, b.chain, e.job
    FROM unnest(awaited) WITH ORDINALITY AS b (chain, n)
    LEFT JOIN unnest(ended_chains, ended_jobs, ended_states) AS e (chain, job, state)
        ON e.chain = b.chain AND (e.state = 10 OR policy = 1);
    SELECT count(*) INTO still_open FROM hardstop.job_blocker b WHERE b.job_id = own AND b.closed_by IS NULL;

    INSERT INTO hardstop.job_body (id, input, limits, trace_parent, completion_token, unchecked, on_blocker_failure)
    VALUES (own, payload, own_limits, own_trace, CASE WHEN external_ms IS NOT NULL THEN gen_random_uuid() END, true,
            nullif(policy, 0));
    read_at := clock_timestamp();
    due := greatest(read_at + own_delay::float8 * interval '1 millisecond', not_before);
    new_state := CASE WHEN still_open > 0 THEN 1 WHEN due > read_at THEN 2 ELSE 4 END;
    INSERT INTO hardstop.job_live (
        id, chain_id, type_id, priority, state, created_at, due_at, deadline_ms, deadline_at,
        blockers, open_blockers, on_blocker_failure, keyed
    )
    VALUES (
        own, own, new_type, own_priority, new_state, read_at, due, external_ms,
        CASE WHEN new_state = 4 THEN read_at + external_ms * interval '1 millisecond' END,
        cardinality(awaited), still_open, policy, own_key IS NOT NULL
    );
    -- Sent at the commit, once for all starts of the transaction.
    IF new_state = 4 THEN
        PERFORM pg_notify('hardstop', 'ready');
    END IF;
    -- A blocker that has failed already does what it does when it fails later. Where there are several, the last one
    -- is named, as the store does.
    IF policy = 0 THEN
        SELECT b.chain, e.state INTO failed_chain, failed_state
        FROM unnest(awaited) WITH ORDINALITY AS b (chain, n)
        JOIN unnest(ended_chains, ended_states) AS e (chain, state) ON e.chain = b.chain
        WHERE e.state <> 10 ORDER BY b.n DESC LIMIT 1;
        IF FOUND THEN
            WITH finished AS (DELETE FROM hardstop.job_live j WHERE j.id = own RETURNING j.*)
            INSERT INTO hardstop.job_done (
                id, chain_id, created_at, due_at, type_id, run, snoozes, attempt, rescues, priority, state, outcome, failure
            )
            SELECT f.id, f.chain_id, f.created_at, f.due_at, f.type_id, f.run, f.snoozes, f.attempt, f.rescues, f.priority,
                   13, 30, json_build_object(
                       'kind', 'cancelled',
                       'message', format('cancelled: its blocker %s was %s', failed_chain,
                                         CASE failed_state WHEN 12 THEN 'discarded' ELSE 'cancelled' END))::text
            FROM finished f;
            UPDATE hardstop.chain_key k SET open = false WHERE k.chain_id = own AND k.open;
        END IF;
    END IF;
    RETURN QUERY SELECT own, false;
END
$$;
