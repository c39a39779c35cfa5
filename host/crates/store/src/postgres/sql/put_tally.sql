-- Records how attempts ended, unless the component is in quarantine, or was released from it after one of them had been
-- claimed. $1: the type. $2: the component. $3: attempts. $4: those that ended badly. $5: when the first of them was
-- claimed, in microseconds since 1970.
INSERT INTO hardstop.attempt_tally (type_id, component, attempts, faults)
SELECT $1, $2, $3, $4
WHERE NOT EXISTS (
    SELECT FROM hardstop.quarantine q
    WHERE q.type_id = $1 AND q.component = $2
      AND coalesce(q.released_at > 'epoch'::timestamptz + $5::int8 * interval '1 microsecond', true)
)
