-- HTTP and scratch folders have come, and limits on them: start_chain takes those, too.

-- The limits among the options as a worker reads them; null where there are none.
CREATE OR REPLACE FUNCTION hardstop.start_chain_limits(options jsonb) RETURNS text
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
            WHEN name IN ('memory', 'host_call', 'input', 'output', 'log', 'http_request_bytes',
                          'http_response_bytes', 'scratch_bytes') THEN 'size'
            WHEN name IN ('fuel', 'memories', 'tables', 'table_elements', 'instances', 'handles', 'log_lines',
                          'progress_rate', 'children', 'depth', 'descendants', 'http_requests', 'http_connections',
                          'dns_lookups', 'scratch_files') THEN 'number'
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
