-- The session that holds the lock of a position (see lock_position.sql), as this role sees it.
SELECT
    l.pid,
    a.usename::text,
    coalesce(host(a.client_addr), CASE WHEN a.client_port = -1 THEN 'a local socket' END),
    a.backend_start,
    a.state_change,
    coalesce(a.wait_event_type = 'Client', false),
    coalesce(
        (pg_has_role(a.usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'))
        AND (NOT holder.rolsuper OR me.rolsuper),
        false
    )
FROM pg_locks AS l
JOIN pg_roles AS me ON me.rolname = current_user
LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
LEFT JOIN pg_roles AS holder ON holder.oid = a.usesysid
WHERE l.locktype = 'advisory'
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (l.classid::bigint << 32) | l.objid::bigint
        = hashtextextended('outbox-publisher:' || %(name)s, 0)
    AND l.objsubid = 1
    AND l.granted
