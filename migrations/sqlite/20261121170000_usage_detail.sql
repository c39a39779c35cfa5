-- What an attempt used beyond what every attempt uses: a JSON object of what is not zero.
ALTER TABLE job_done ADD COLUMN usage_detail TEXT;
