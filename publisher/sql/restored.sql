-- Whether rows carry transaction ids that this server has yet to reach: they come from another one.
SELECT EXISTS (
    SELECT FROM outbox_event WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())
)
