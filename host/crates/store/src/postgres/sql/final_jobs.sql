-- The jobs whose end closed these chains, locked against deletion.
SELECT id, chain_id, state
FROM hardstop.job_done
WHERE id = ANY (ARRAY(
    SELECT d.id FROM hardstop.job_done d WHERE d.id = ANY ($1::uuid[]) AND d.chain_id = d.id AND d.state <> 11
    UNION ALL
    SELECT d.id FROM hardstop.job_done d WHERE d.chain_id = ANY ($1) AND d.chain_id <> d.id AND d.state <> 11
))
ORDER BY id
FOR SHARE
