-- What makes a committed event disappear in a crash, or inverts the order of ids.
SELECT
    current_setting('synchronous_commit'),
    (
        SELECT seqcache FROM pg_sequence
        WHERE seqrelid = pg_get_serial_sequence('outbox_event', 'id')::regclass
    )
