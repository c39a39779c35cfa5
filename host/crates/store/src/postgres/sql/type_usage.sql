-- What the newest final jobs of a type used, of those that ended well.
-- $1: the type. $2: the most. Asked for as a range: see `jobs_by_state`.
SELECT wall_us, cpu_us, fuel, memory_bytes_peak, output_bytes, log_bytes, log_bytes_dropped, usage_detail,
       deployment
FROM hardstop.job_done
WHERE (type_id, id) >= ($1, '00000000-0000-0000-0000-000000000000'::uuid)
  AND (type_id, id) <= ($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid) AND state IN (10, 11)
ORDER BY type_id DESC, id DESC
LIMIT $2
