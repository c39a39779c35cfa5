-- Components, types, sessions and jobs. The schema `hardstop` exists already: the migrator makes it,
-- because its own table lies there too.

CREATE TABLE hardstop.component (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    name text NOT NULL,
    size_bytes int8 NOT NULL CHECK (size_bytes = octet_length(bytes)),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    bytes bytea NOT NULL
);
-- A component is compressed badly and read whole.
ALTER TABLE hardstop.component ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE hardstop.deployment (
    id uuid PRIMARY KEY,
    component bytea NOT NULL REFERENCES hardstop.component (digest),
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The specifications of its types, a JSON array: what was deployed, whatever came after.
    specs text NOT NULL
);
CREATE INDEX deployment_component ON hardstop.deployment (component);

-- One row per name, for ever: its number is in every job of the type. It carries what is in force.
CREATE TABLE hardstop.job_type (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9._-]{0,63}$'),
    deployment uuid NOT NULL REFERENCES hardstop.deployment (id),
    component bytea NOT NULL REFERENCES hardstop.component (digest),
    deployed_at timestamptz NOT NULL,
    spec text NOT NULL
);

-- One row per worker process. No index beside the key, so that a heartbeat is a HOT update.
CREATE TABLE hardstop.session (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    lease_duration_ms int8 NOT NULL CHECK (lease_duration_ms > 0),
    dead bool NOT NULL DEFAULT false
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- The hot table: only jobs that are not final, narrow, without payload and without foreign keys.
-- State codes are those of hardstop_domain::State; 3 is left for `throttled`.
CREATE TABLE hardstop.job_live (
    id uuid PRIMARY KEY,
    chain_id uuid NOT NULL,
    -- The session is `lease_token >> 32`.
    lease_token int8,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    -- When the last run began. Stays when the lease goes.
    claimed_at timestamptz,
    type_id int4 NOT NULL,
    -- Every run counts; a run's number is never used twice.
    run int4 NOT NULL DEFAULT 0 CHECK (run >= 0),
    snoozes int4 NOT NULL DEFAULT 0 CHECK (snoozes >= 0),
    -- Snoozes, interruptions and rescues do not count.
    attempt int2 NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    rescues int2 NOT NULL DEFAULT 0 CHECK (rescues >= 0),
    priority int2 NOT NULL CHECK (priority BETWEEN -100 AND 100),
    state int2 NOT NULL CHECK (state IN (1, 2, 3, 4, 5)),
    -- A lease is held by a running job and by no other.
    CHECK ((state = 5) = (lease_token IS NOT NULL)),
    CHECK (state <> 5 OR claimed_at IS NOT NULL)
) WITH (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 20000,
    autovacuum_analyze_scale_factor = 0.05,
    autovacuum_analyze_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);
-- One live job per chain.
CREATE UNIQUE INDEX job_live_chain ON hardstop.job_live (chain_id);
CREATE INDEX job_live_ready ON hardstop.job_live (type_id, priority, due_at, id) WHERE state = 4;
CREATE INDEX job_live_due ON hardstop.job_live (due_at) WHERE state = 2;
CREATE INDEX job_live_running ON hardstop.job_live ((lease_token >> 32)) WHERE state = 5;

-- Payloads: written once, never rewritten. Its key keeps job ids unique, live and final.
-- Partitioned, as `job_done` and `job_attempt` are, by the day that the UUIDv7 names.
CREATE TABLE hardstop.job_body (
    id uuid PRIMARY KEY,
    input text NOT NULL CHECK (octet_length(input) <= 16777216),
    limits text,
    trace_parent text CHECK (octet_length(trace_parent) <= 256)
) PARTITION BY RANGE (id);
CREATE TABLE hardstop.job_body_default PARTITION OF hardstop.job_body DEFAULT;

-- Final jobs. Its key guards against a second settlement.
CREATE TABLE hardstop.job_done (
    id uuid PRIMARY KEY,
    chain_id uuid NOT NULL,
    -- Of the settlement that wrote the row; null where no settlement did (a cancellation, a rescue).
    lease_token int8,
    continued_to uuid,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    wall_us int8 CHECK (wall_us >= 0),
    cpu_us int8 CHECK (cpu_us >= 0),
    fuel int8 CHECK (fuel >= 0),
    memory_bytes_peak int8 CHECK (memory_bytes_peak >= 0),
    output_bytes int8 CHECK (output_bytes >= 0),
    log_bytes int8 CHECK (log_bytes >= 0),
    log_bytes_dropped int8 CHECK (log_bytes_dropped >= 0),
    type_id int4 NOT NULL,
    run int4 NOT NULL CHECK (run >= 0),
    snoozes int4 NOT NULL CHECK (snoozes >= 0),
    attempt int2 NOT NULL CHECK (attempt >= 0),
    rescues int2 NOT NULL CHECK (rescues >= 0),
    priority int2 NOT NULL,
    state int2 NOT NULL CHECK (state IN (10, 11, 12, 13)),
    outcome int2 NOT NULL,
    output text CHECK (octet_length(output) <= 16777216),
    failure text,
    log text,
    CHECK ((state = 10) = (output IS NOT NULL)),
    CHECK ((state = 11) = (continued_to IS NOT NULL))
) PARTITION BY RANGE (id);
CREATE INDEX job_done_type ON hardstop.job_done (type_id, id);
-- A chain's first job is found by its id.
CREATE INDEX job_done_chain ON hardstop.job_done (chain_id) WHERE chain_id <> id;
CREATE TABLE hardstop.job_done_default PARTITION OF hardstop.job_done DEFAULT;

-- Runs that did not end well: failed, snoozed, interrupted, cancelled, lost. A success writes nothing.
CREATE TABLE hardstop.job_attempt (
    job_id uuid NOT NULL,
    -- Of the settlement that wrote the row; null where no settlement did.
    lease_token int8,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    run int4 NOT NULL CHECK (run > 0),
    session int4 NOT NULL,
    attempt int2 NOT NULL CHECK (attempt > 0),
    outcome int2 NOT NULL,
    host text NOT NULL,
    failure text,
    usage text,
    log text,
    progress text,
    PRIMARY KEY (job_id, run)
) PARTITION BY RANGE (job_id);
CREATE TABLE hardstop.job_attempt_default PARTITION OF hardstop.job_attempt DEFAULT;

-- Makes the partitions of one table for today and the three days ahead (UTC). Returns how many it made.
-- A day whose rows are in the default partition already is left there.
CREATE FUNCTION hardstop.make_partitions(parent text) RETURNS int4
LANGUAGE plpgsql AS $$
DECLARE
    made int4 := 0;
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    key_column text := CASE parent WHEN 'job_attempt' THEN 'job_id' ELSE 'id' END;
    partition_name text;
    bounds uuid[];
    taken bool;
BEGIN
    -- Two hosts that start at once make each partition once.
    PERFORM pg_advisory_xact_lock(hashtextextended('hardstop.make_partitions', 0));
    FOR ahead IN 0..3 LOOP
        partition_name := format('%s_%s', parent, to_char(today + ahead, 'YYYYMMDD'));
        CONTINUE WHEN to_regclass(format('hardstop.%I', partition_name)) IS NOT NULL;
        -- The first 48 bits of a UUIDv7 are milliseconds since 1970.
        SELECT array_agg(rpad(lpad(to_hex((day - '1970-01-01'::date)::int8 * 86400000), 12, '0'), 32, '0')::uuid
                         ORDER BY day)
        INTO bounds
        FROM unnest(ARRAY[today + ahead, today + ahead + 1]) AS day;
        EXECUTE format(
            'SELECT EXISTS (SELECT FROM hardstop.%I WHERE %I >= $1 AND %I < $2)',
            parent || '_default', key_column, key_column
        ) INTO taken USING bounds[1], bounds[2];
        CONTINUE WHEN taken;
        -- Made apart and attached, so that the parent's readers and writers go on. The default partition is
        -- locked and read meanwhile: it is empty as long as the days are made before they come.
        EXECUTE format('CREATE TABLE hardstop.%I (LIKE hardstop.%I INCLUDING ALL)', partition_name, parent);
        EXECUTE format(
            'ALTER TABLE hardstop.%I ATTACH PARTITION hardstop.%I FOR VALUES FROM (%L) TO (%L)',
            parent, partition_name, bounds[1], bounds[2]
        );
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
