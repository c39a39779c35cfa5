-- What the newest final jobs of a type used, of those that ended well.
-- $1: the type. $2: the most.
SELECT wall_us, cpu_us, fuel, memory_bytes_peak, output_bytes, log_bytes, log_bytes_dropped, usage_detail,
       deployment
FROM hardstop.job_done
WHERE type_id = $1 AND state IN (10, 11)
ORDER BY id DESC
LIMIT $2
