-- How much is not published yet, counted up to a cap, and how old the oldest of it is.
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8
FROM (
    (
        SELECT id, xid, created_at FROM outbox_event
        WHERE xid >= %(xmax)s::xid8
        ORDER BY xid LIMIT %(cap)s
    )
    UNION ALL
    (
        SELECT id, xid, created_at FROM outbox_event
        WHERE xid = ANY (%(in_progress)s::xid8[])
        LIMIT %(cap)s
    )
) AS unseen
WHERE id > %(last_id)s OR NOT pg_visible_in_snapshot(xid, %(now)s::pg_snapshot)
