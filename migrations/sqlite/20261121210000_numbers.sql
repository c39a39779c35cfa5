-- Counters of jobs by type and state, and statistics of attempts by type and minute.
-- What each column means is said in the Postgres migration of the same number.

-- Differs by necessity: a trigger would run for each job. The writer, which is alone, counts what its statements did and
-- changes the rows once for each commit.
CREATE TABLE job_count (
    type_id INTEGER NOT NULL,
    state INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (type_id, state)
) STRICT, WITHOUT ROWID;
INSERT INTO job_count (type_id, state, count)
SELECT type_id, state, count(*)
FROM (SELECT type_id, state FROM job_live UNION ALL SELECT type_id, state FROM job_done)
GROUP BY type_id, state;

CREATE TABLE statistic (
    at INTEGER NOT NULL,
    seconds INTEGER NOT NULL CHECK (seconds IN (60, 3600)),
    type_id INTEGER NOT NULL,
    session INTEGER NOT NULL,
    statistic TEXT NOT NULL,
    PRIMARY KEY (seconds, at, type_id, session)
) STRICT, WITHOUT ROWID;
-- What is still to be folded.
CREATE INDEX statistic_session ON statistic (at) WHERE seconds = 60 AND session <> 0;
