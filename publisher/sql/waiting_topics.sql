-- The topics of rows that are not published yet, looked for up to a cap.
(
    SELECT topic FROM outbox_event
    WHERE xid >= %(xmax)s::xid8
        AND (id > %(last_id)s OR NOT pg_visible_in_snapshot(xid, %(now)s::pg_snapshot))
    ORDER BY xid LIMIT %(cap)s
)
UNION
(
    SELECT topic FROM outbox_event
    WHERE xid = ANY (%(in_progress)s::xid8[])
        AND (id > %(last_id)s OR NOT pg_visible_in_snapshot(xid, %(now)s::pg_snapshot))
    LIMIT %(cap)s
)
ORDER BY topic
