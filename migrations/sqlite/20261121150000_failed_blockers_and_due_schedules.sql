-- Schedules that are due. The Postgres function that starts a chain is changed here, too; see there.

-- The one that is due next is found without a look at all of them.
CREATE INDEX schedule_due ON schedule (next_at) WHERE NOT paused AND next_at IS NOT NULL;
