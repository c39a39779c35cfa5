-- Ends a lease on a subscription, if it is still the one named. ?1: the subscription. ?2: the lease. ?3: in how many
-- microseconds to deliver next. ?4: why a delivery failed, or null. ?5: whether nothing is to be delivered any more.
-- ?6: whether anything was delivered. ?7: now.
UPDATE subscription
SET leased_until = NULL,
    next_at = ?7 + ?3,
    state = CASE WHEN ?5 AND state = 1 THEN 3 ELSE state END,
    delivered_at = CASE WHEN ?6 THEN ?7 ELSE delivered_at END,
    failed_at = CASE WHEN ?4 IS NULL THEN failed_at ELSE ?7 END,
    failure = coalesce(?4, failure)
WHERE id = ?1 AND lease = ?2 AND leased_until IS NOT NULL
RETURNING id
