-- Every position, and whether a session holds its lock (see lock_position.sql).
SELECT
    p.name, p.epoch, p.prev::text, p.now::text, coalesce(p.last_id, 0),
    p.system_identifier, p.timeline, p.updated_at,
    EXISTS (
        SELECT FROM pg_locks AS l
        WHERE l.locktype = 'advisory'
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (l.classid::bigint << 32) | l.objid::bigint
                = hashtextextended('outbox-publisher:' || p.name, 0)
            AND l.objsubid = 1
            AND l.granted
    )
FROM outbox_position AS p
ORDER BY p.name
