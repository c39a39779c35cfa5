-- Removes what jobs and chains that are gone have left. ?1: the most rows of each kind. ?2: only of those with ids below
-- this; ?3: keys of closed chains started before this, whose ids are below ?4.
DELETE FROM chain_key
WHERE (type_id, key, chain_id) IN (
    SELECT type_id, key, chain_id FROM chain_key WHERE chain_id < ?4 AND started_at < ?3 AND NOT open LIMIT ?1
);
DELETE FROM lineage
WHERE root_chain IN (
    SELECT r.root_chain
    FROM lineage r
    WHERE r.root_chain < ?2
      AND NOT EXISTS (SELECT 1 FROM job_live l WHERE l.id = r.root_chain)
      AND NOT EXISTS (SELECT 1 FROM job_live l WHERE l.chain_id = r.root_chain AND l.chain_id <> l.id)
      AND NOT EXISTS (SELECT 1 FROM job_done d WHERE d.id = r.root_chain)
      AND NOT EXISTS (SELECT 1 FROM job_done d WHERE d.chain_id = r.root_chain AND d.chain_id <> d.id)
    LIMIT ?1
);
DELETE FROM job_blocker
WHERE (job_id, position) IN (
    SELECT b.job_id, b.position
    FROM job_blocker b
    WHERE b.job_id < ?2
      AND NOT EXISTS (SELECT 1 FROM job_live l WHERE l.id = b.job_id)
      AND NOT EXISTS (SELECT 1 FROM job_done d WHERE d.id = b.job_id)
    LIMIT ?1
);
DELETE FROM replay_job
WHERE (replay_id, job_id) IN (
    SELECT r.replay_id, r.job_id
    FROM replay_job r
    WHERE r.job_id < ?2
      AND NOT EXISTS (SELECT 1 FROM job_live l WHERE l.id = r.job_id)
      AND NOT EXISTS (SELECT 1 FROM job_done d WHERE d.id = r.job_id)
    LIMIT ?1
);
DELETE FROM replay
WHERE id IN (
    SELECT r.id FROM replay r
    WHERE r.id < ?2 AND NOT EXISTS (SELECT 1 FROM replay_job j WHERE j.replay_id = r.id)
    LIMIT ?1
);
