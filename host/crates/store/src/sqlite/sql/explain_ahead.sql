-- How many ready jobs of its type are claimed before a ready job. ?1: the job. ?2: count no further than this.
-- `+`: a column of the same affinity would keep SQLite from using more than the priority in the index.
SELECT count(*) AS ahead
FROM (
    SELECT 1 FROM job_live me
    JOIN job_live j
        ON j.type_id = me.type_id AND (j.priority, j.due_at, j.id) < (+me.priority, +me.due_at, +me.id)
    WHERE me.id = ?1 AND me.state = 4 AND j.state = 4
    LIMIT ?2
) a
