-- Running jobs by their lease, so that those of some leases are found. The number of the session is the upper half of the lease.
DROP INDEX job_live_running;
CREATE INDEX job_live_running ON job_live (lease_token) WHERE state = 5;
