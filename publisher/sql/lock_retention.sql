-- Until this transaction ends, nothing is removed, and no position is added or moved back. What is
-- read has to be read by a later statement: the snapshot of this one is older than the lock.
SELECT pg_advisory_xact_lock(hashtextextended('outbox-publisher-retention', 0))
