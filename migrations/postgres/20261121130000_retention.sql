-- Dead letters by type, and retention: whole days are dropped, their survivors kept in the default partition.

-- Dead letters of one type, newest first. The index of all jobs of a type would read its successes too.
CREATE INDEX job_done_dead_type ON hardstop.job_done (type_id, state, id) WHERE state IN (12, 13);

-- Makes the partitions of one table for today and the three days ahead (UTC), a step at a time. Returns how
-- many steps it did: it is to be called again until that is none, each time in a transaction of its own.
-- A day whose rows are in the default partition already is left there.
--
-- Attaching a partition reads the whole default partition under an exclusive lock, unless a valid constraint
-- says that none of its rows belong to the new one. The default partition holds what outlived its day, so it
-- may be large. Therefore: a constraint that is not yet valid (a short lock), its validation (a long read
-- beside all others' work), the attachment (a short lock). Between them, rows of those days would be refused.
-- None comes, because only days ahead are treated so. Should a host die between the steps, the next call of
-- any host goes on from there.
CREATE OR REPLACE FUNCTION hardstop.make_partitions(parent text) RETURNS int4
LANGUAGE plpgsql AS $$
DECLARE
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    key_column text := CASE parent WHEN 'job_attempt' THEN 'job_id' ELSE 'id' END;
    default_name text := parent || '_default';
    default_table regclass := format('hardstop.%I', parent || '_default')::regclass;
    partition_name text;
    guard text;
    bounds uuid[];
    taken bool;
    valid bool;
    is_empty bool;
    guarded int4 := 0;
    validated int4 := 0;
    attached int4 := 0;
BEGIN
    -- Two hosts that start at once make each partition once.
    PERFORM pg_advisory_xact_lock(hashtextextended('hardstop.make_partitions', 0));
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM hardstop.%I)', default_name) INTO is_empty;
    -- A step is of one kind for all days, so that none waits under a lock that another needed.
    FOR step IN 1..3 LOOP
        FOR ahead IN 0..3 LOOP
            partition_name := format('%s_%s', parent, to_char(today + ahead, 'YYYYMMDD'));
            CONTINUE WHEN to_regclass(format('hardstop.%I', partition_name)) IS NOT NULL;
            bounds := ARRAY[hardstop.day_id(today + ahead), hardstop.day_id(today + ahead + 1)];
            guard := format('%s_without_%s', default_name, to_char(today + ahead, 'YYYYMMDD'));
            valid := (SELECT convalidated FROM pg_constraint WHERE conrelid = default_table AND conname = guard);
            IF valid IS NULL THEN
                EXECUTE format(
                    'SELECT EXISTS (SELECT FROM hardstop.%I WHERE %I >= $1 AND %I < $2)',
                    default_name, key_column, key_column
                ) INTO taken USING bounds[1], bounds[2];
                CONTINUE WHEN taken;
            END IF;
            CASE step
            WHEN 1 THEN
                CONTINUE WHEN is_empty OR ahead = 0 OR valid IS NOT NULL;
                EXECUTE format(
                    'ALTER TABLE hardstop.%I ADD CONSTRAINT %I CHECK (%I < %L OR %I >= %L) NOT VALID',
                    default_name, guard, key_column, bounds[1], key_column, bounds[2]
                );
                guarded := guarded + 1;
            WHEN 2 THEN
                CONTINUE WHEN valid IS DISTINCT FROM false;
                BEGIN
                    EXECUTE format('ALTER TABLE hardstop.%I VALIDATE CONSTRAINT %I', default_name, guard);
                EXCEPTION WHEN check_violation THEN
                    -- A row of that day came in before the constraint did.
                    EXECUTE format('ALTER TABLE hardstop.%I DROP CONSTRAINT %I', default_name, guard);
                END;
                validated := validated + 1;
            ELSE
                CONTINUE WHEN NOT (is_empty OR ahead = 0 OR valid);
                -- Made apart and attached, so that the parent's readers and writers go on.
                EXECUTE format('CREATE TABLE hardstop.%I (LIKE hardstop.%I INCLUDING ALL)', partition_name, parent);
                EXECUTE format(
                    'ALTER TABLE hardstop.%I ATTACH PARTITION hardstop.%I FOR VALUES FROM (%L) TO (%L)',
                    parent, partition_name, bounds[1], bounds[2]
                );
                EXECUTE format('ALTER TABLE hardstop.%I DROP CONSTRAINT IF EXISTS %I', default_name, guard);
                attached := attached + 1;
            END CASE;
        END LOOP;
        IF guarded + validated + attached > 0 THEN
            RETURN guarded + validated + attached;
        END IF;
    END LOOP;
    RETURN 0;
END
$$;

-- The least id that a UUIDv7 made at that time or later can have: its first 48 bits are milliseconds since 1970.
CREATE FUNCTION hardstop.least_id(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT rpad(lpad(to_hex(greatest(floor(extract(epoch FROM at) * 1000), 0)::int8), 12, '0'), 32, '0')::uuid
$$;

-- The least id of a day (UTC).
CREATE FUNCTION hardstop.day_id(day date) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT hardstop.least_id(day::timestamp AT TIME ZONE 'UTC')
$$;

-- Completed and continued jobs that outlived their day: few beside the dead letters that did.
CREATE INDEX job_done_default_well ON hardstop.job_done_default (id) WHERE state IN (10, 11);

-- Drops the partitions of the oldest day that ended before `completed_before`, but for what must stay, which goes
-- to the default partitions: rows of live jobs, of open chains, of chains whose output a live job awaits or still
-- needs, and of jobs discarded or cancelled since the times given. Returns how many partitions it dropped: none
-- where no day is old enough, where another host is at it, where its locks are not to be had in time, or where
-- more than 100,000 final jobs of the day must stay, so that to move them would hold up everybody else.
CREATE FUNCTION hardstop.drop_day(
    completed_before timestamptz, discarded_before timestamptz, cancelled_before timestamptz
) RETURNS int4
LANGUAGE plpgsql
SET lock_timeout = '2s' SET enable_seqscan = on AS $$
DECLARE
    kept_max CONSTANT int4 := 100000;
    day date;
    low uuid;
    high uuid;
    part regclass;
    kept uuid[] := '{}';
    dropped int4 := 0;
BEGIN
    SELECT min(to_date(right(c.relname, 8), 'YYYYMMDD')) INTO day
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent IN (
        'hardstop.job_body'::regclass, 'hardstop.job_done'::regclass, 'hardstop.job_attempt'::regclass
    ) AND c.relname ~ '^job_(body|done|attempt)_[0-9]{8}$';
    IF ((day + 1)::timestamp AT TIME ZONE 'UTC' <= completed_before) IS NOT TRUE THEN
        RETURN 0;
    END IF;
    -- Partitions are made and dropped by one host at a time.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('hardstop.make_partitions', 0)) THEN
        RETURN 0;
    END IF;
    low := hardstop.day_id(day);
    high := hardstop.day_id(day + 1);
    -- In the order in which a settlement comes to them. Whoever has read or written them has committed when these
    -- are had, and what follows sees it: no start can come to need what goes.
    LOCK TABLE ONLY hardstop.job_done, ONLY hardstop.job_body, ONLY hardstop.job_attempt IN ACCESS EXCLUSIVE MODE;

    part := to_regclass(format('hardstop.%I', 'job_done_' || to_char(day, 'YYYYMMDD')));
    IF part IS NOT NULL THEN
        EXECUTE format(
            'WITH needed AS MATERIALIZED ('
            '    SELECT chain_id FROM hardstop.job_live WHERE chain_id <> id'
            '    UNION SELECT b.chain_id FROM hardstop.job_live l JOIN hardstop.job_blocker b ON b.job_id = l.id'
            '          WHERE l.blockers > 0'
            '    UNION SELECT chain_id FROM hardstop.closure'
            ') '
            'SELECT array_agg(id) FROM ('
            '    SELECT id FROM %1$s WHERE state = 12 AND finished_at >= $1'
            '    UNION SELECT id FROM %1$s WHERE state = 13 AND finished_at >= $2'
            '    UNION SELECT d.id FROM needed n JOIN %1$s d ON d.id = n.chain_id'
            '    UNION SELECT d.id FROM needed n JOIN %1$s d ON d.chain_id = n.chain_id AND d.chain_id <> d.id'
            '    LIMIT $3'
            ') stays', part
        ) INTO kept USING discarded_before, cancelled_before, kept_max + 1;
        IF cardinality(kept) > kept_max THEN
            RETURN 0;
        END IF;
        EXECUTE format('ALTER TABLE hardstop.job_done DETACH PARTITION %s', part);
        EXECUTE format('INSERT INTO hardstop.job_done SELECT * FROM %s WHERE id = ANY ($1)', part) USING kept;
        EXECUTE format('DROP TABLE %s', part);
        dropped := dropped + 1;
    END IF;
    -- What the final jobs of the day came to is settled: their rows are in the default partition now, and so
    -- are those of a day that never had a partition.
    kept := ARRAY(
        SELECT id FROM hardstop.job_live WHERE id >= low AND id < high
        UNION SELECT id FROM hardstop.job_done WHERE id >= low AND id < high
    );
    part := to_regclass(format('hardstop.%I', 'job_body_' || to_char(day, 'YYYYMMDD')));
    IF part IS NOT NULL THEN
        EXECUTE format('ALTER TABLE hardstop.job_body DETACH PARTITION %s', part);
        EXECUTE format('INSERT INTO hardstop.job_body SELECT * FROM %s WHERE id = ANY ($1)', part) USING kept;
        EXECUTE format('DROP TABLE %s', part);
        dropped := dropped + 1;
    END IF;
    part := to_regclass(format('hardstop.%I', 'job_attempt_' || to_char(day, 'YYYYMMDD')));
    IF part IS NOT NULL THEN
        EXECUTE format('ALTER TABLE hardstop.job_attempt DETACH PARTITION %s', part);
        EXECUTE format('INSERT INTO hardstop.job_attempt SELECT * FROM %s WHERE job_id = ANY ($1)', part) USING kept;
        EXECUTE format('DROP TABLE %s', part);
        dropped := dropped + 1;
    END IF;
    RETURN dropped;
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
    RETURN 0;
END
$$;
