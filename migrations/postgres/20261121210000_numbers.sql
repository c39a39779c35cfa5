-- Counters of jobs by type and state, and statistics of attempts by type and minute.

-- How many jobs of a type are in a state: the sum of the rows. A transaction that changes jobs adds rows of its own, so
-- that none waits for another's; any host folds many rows into few. For final jobs the rows name the day (UTC) of the
-- jobs' ids, in days since 1970, so that the counts of a day go with its partition.
CREATE TABLE hardstop.job_count (
    type_id int4 NOT NULL,
    state int2 NOT NULL,
    day int4,
    count int8 NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_vacuum_cost_delay = 0
);

-- The day of a UUIDv7, in days since 1970. Its first 48 bits are milliseconds.
CREATE FUNCTION hardstop.day_of(id uuid) RETURNS int4
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT ((('x' || left(id::text, 8) || substr(id::text, 10, 4))::bit(48)::int8) / 86400000)::int4
$$;

-- Counts what a statement did to live jobs.
CREATE FUNCTION hardstop.count_live() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO hardstop.job_count (type_id, state, count)
        SELECT type_id, state, sum(n)
        FROM (SELECT type_id, state, -1 AS n FROM gone UNION ALL SELECT type_id, state, 1 FROM come) c
        GROUP BY type_id, state
        HAVING sum(n) <> 0;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO hardstop.job_count (type_id, state, count)
        SELECT type_id, state, count(*) FROM come GROUP BY type_id, state;
    ELSE
        INSERT INTO hardstop.job_count (type_id, state, count)
        SELECT type_id, state, -count(*) FROM gone GROUP BY type_id, state;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER count_inserted AFTER INSERT ON hardstop.job_live
    REFERENCING NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION hardstop.count_live();
CREATE TRIGGER count_updated AFTER UPDATE ON hardstop.job_live
    REFERENCING OLD TABLE AS gone NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION hardstop.count_live();
CREATE TRIGGER count_deleted AFTER DELETE ON hardstop.job_live
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION hardstop.count_live();

-- Counts what a statement did to final jobs, whose state and type never change.
CREATE FUNCTION hardstop.count_done() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO hardstop.job_count (type_id, state, day, count)
        SELECT type_id, state, hardstop.day_of(id), count(*) FROM come GROUP BY 1, 2, 3;
    ELSE
        INSERT INTO hardstop.job_count (type_id, state, day, count)
        SELECT type_id, state, hardstop.day_of(id), -count(*) FROM gone GROUP BY 1, 2, 3;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER count_inserted AFTER INSERT ON hardstop.job_done
    REFERENCING NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION hardstop.count_done();
CREATE TRIGGER count_deleted AFTER DELETE ON hardstop.job_done
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION hardstop.count_done();

-- The triggers keep everybody else from writing until this commits: nothing is missed and nothing counted twice.
INSERT INTO hardstop.job_count (type_id, state, count)
SELECT type_id, state, count(*) FROM hardstop.job_live GROUP BY type_id, state;
INSERT INTO hardstop.job_count (type_id, state, day, count)
SELECT type_id, state, hardstop.day_of(id), count(*) FROM hardstop.job_done GROUP BY 1, 2, 3;

-- Drops the partitions of the oldest day that ended before `completed_before`, but for what must stay, which goes
-- to the default partitions: rows of live jobs, of open chains, of chains whose output a live job awaits or still
-- needs, and of jobs discarded or cancelled since the times given. Returns how many partitions it dropped: none
-- where no day is old enough, where another host is at it, where its locks are not to be had in time, or where
-- more than 100,000 final jobs of the day must stay, so that to move them would hold up everybody else.
CREATE OR REPLACE FUNCTION hardstop.drop_day(
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
        -- Its rows leave without a statement that counts them. What stays is counted as it comes back.
        INSERT INTO hardstop.job_count (type_id, state, day, count)
        SELECT c.type_id, c.state, c.day, -sum(c.count)
        FROM hardstop.job_count c
        WHERE c.day = hardstop.day_of(low)
        GROUP BY c.type_id, c.state, c.day;
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

-- What attempts of a type came to in a minute, or in an hour of long ago: JSON of hardstop_domain::Statistic. A process
-- writes the rows of its session anew until their minute is over, so none waits for another's; any host folds them.
CREATE TABLE hardstop.statistic (
    at timestamptz NOT NULL,
    seconds int4 NOT NULL CHECK (seconds IN (60, 3600)),
    type_id int4 NOT NULL,
    -- 0: folded.
    session int4 NOT NULL,
    statistic text NOT NULL,
    PRIMARY KEY (seconds, at, type_id, session)
) WITH (fillfactor = 70);
-- What is still to be folded.
CREATE INDEX statistic_session ON hardstop.statistic (at) WHERE seconds = 60 AND session <> 0;
