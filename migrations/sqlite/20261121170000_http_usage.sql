-- What the HTTP requests of the last attempt came to. Null where it sent none, as most do.
ALTER TABLE job_done ADD COLUMN http_requests INTEGER CHECK (http_requests > 0);
ALTER TABLE job_done ADD COLUMN http_request_bytes INTEGER CHECK (http_request_bytes >= 0);
ALTER TABLE job_done ADD COLUMN http_response_bytes INTEGER CHECK (http_response_bytes >= 0);
