-- Writes an event of a type for one subscription. $1: the subscription. $2: the kind. $3: the type. $4: what was seen.
-- $5: the job, or null. $6: its chain, or null.
INSERT INTO hardstop.delivery (subscription, kind, type_id, detail, job_id, chain_id)
VALUES ($1, $2, $3, $4, $5, $6)
