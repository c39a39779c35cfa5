-- What an attempt used beyond what every attempt uses: a JSON object of what is not zero.
ALTER TABLE hardstop.job_done ADD COLUMN usage_detail text;
