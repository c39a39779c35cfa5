-- What the HTTP requests of the last attempt came to. Null where it sent none, as most do.
ALTER TABLE hardstop.job_done
    ADD COLUMN http_requests int8 CHECK (http_requests > 0),
    ADD COLUMN http_request_bytes int8 CHECK (http_request_bytes >= 0),
    ADD COLUMN http_response_bytes int8 CHECK (http_response_bytes >= 0);
