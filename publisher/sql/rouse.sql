-- Writers need not ring any more. Those that slept under this session's lock have to take it.
SELECT
    pg_advisory_unlock(hashtextextended('outbox-publisher', 0)),
    pg_notify('outbox_publisher', '')
