SELECT pg_try_advisory_lock(hashtextextended('outbox-publisher:' || %(name)s, 0))
