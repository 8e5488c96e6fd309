-- What makes a committed event disappear in a crash, inverts the order of ids, or lets events wait.
SELECT
    ARRAY(
        SELECT 'this session'
        FROM pg_settings
        WHERE name = 'synchronous_commit' AND reset_val = 'off'
        UNION ALL
        SELECT concat_ws(' in ', 'role ' || r.rolname, 'database ' || d.datname)
        FROM pg_db_role_setting AS s
        LEFT JOIN pg_roles AS r ON r.oid = s.setrole
        LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
        CROSS JOIN unnest(s.setconfig) AS c (setting)
        WHERE (s.setdatabase = 0 OR d.datname = current_database())
            AND lower(c.setting) IN (
                'synchronous_commit=off', 'synchronous_commit=false', 'synchronous_commit=no',
                'synchronous_commit=0'
            )
        ORDER BY 1
    ),
    (
        SELECT seqcache FROM pg_sequence
        WHERE seqrelid = pg_get_serial_sequence('outbox_event', 'id')::regclass
    ),
    EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'outbox_event'::regclass
            AND tgname = 'outbox_wake_up'
            AND tgenabled IN ('O', 'A')
    )
