-- Moves jobs to their final row, where they still carry the lease named (`held`; null: a queued job).
-- What follows where that closes a chain is in `put_closures` and `free_keys`: differs by necessity, for here
-- it would cost each batch two more readings of its rows.
-- ?1: JSON rows. ?2: now.
INSERT INTO job_done (
    id, chain_id, lease_token, continued_to, created_at, due_at, started_at, finished_at,
    wall_us, cpu_us, fuel, memory_bytes_peak, output_bytes, log_bytes, log_bytes_dropped, usage_detail, deployment,
    type_id, run, snoozes, attempt, rescues, priority, state, outcome, output, failure, log
)
SELECT j.id, j.chain_id, f.value ->> 'token', unhex(f.value ->> 'continued_to'), j.created_at, j.due_at, j.claimed_at, ?2,
       f.value ->> '$.usage.wall_us', f.value ->> '$.usage.cpu_us', f.value ->> '$.usage.fuel',
       f.value ->> '$.usage.memory_bytes_peak', f.value ->> '$.usage.output_bytes',
       f.value ->> '$.usage.log_bytes', f.value ->> '$.usage.log_bytes_dropped', f.value ->> '$.usage.detail', unhex(f.value ->> 'deployment'),
       j.type_id, j.run, j.snoozes, j.attempt, j.rescues, j.priority, f.value ->> 'state', f.value ->> 'outcome',
       f.value ->> 'output', f.value ->> 'failure', f.value ->> 'log'
FROM json_each(?1) f
CROSS JOIN job_live j ON j.id = unhex(f.value ->> 'id') AND j.lease_token IS f.value ->> 'held'
WHERE true;
DELETE FROM job_live
WHERE id IN (SELECT d.id FROM json_each(?1) f CROSS JOIN job_done d ON d.id = unhex(f.value ->> 'id'))
RETURNING id, chain_id, type_id, state, lease_token, attempt, run, rescues, priority, claimed_at, blocking, keyed;
