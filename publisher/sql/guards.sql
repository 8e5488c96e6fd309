-- Which database this is. A standby's snapshots list no transaction in progress, so it must be
-- refused; a new timeline or system identifier means that ids may have been used again.
SELECT
    pg_is_in_recovery(),
    (SELECT system_identifier FROM pg_control_system()),
    CASE
        WHEN NOT pg_is_in_recovery()
        THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
    END,
    to_regclass('outbox_metadata') IS NOT NULL
