-- Running jobs by their lease, so that those of some leases, and of sessions between others, are found without reading what the
-- leases before have left. The number of the session is the upper half of the lease.
DROP INDEX hardstop.job_live_running;
CREATE INDEX job_live_running ON hardstop.job_live (lease_token) WHERE state = 5;
