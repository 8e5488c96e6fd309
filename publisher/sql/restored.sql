-- How many rows carry transaction ids that this server has yet to reach, counted up to a cap: they
-- come from another one. And whether this role may give them others.
SELECT count(*), has_column_privilege('outbox_event', 'xid', 'UPDATE')
FROM (
    SELECT FROM outbox_event
    WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())
    LIMIT %(cap)s
) AS restored
