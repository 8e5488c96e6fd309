-- How much is not published yet, counted up to a cap, and how old the oldest of it is. Inside a
-- frozen window, rows are counted by id as soon as one of the first by transaction is published:
-- published rows must neither use the cap up nor be walked.
WITH head AS NOT MATERIALIZED (
    SELECT id, created_at FROM outbox_event
    WHERE xid >= %(xmax)s::xid8
    ORDER BY xid LIMIT %(cap)s
),
inside AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM head WHERE id <= %(last_id)s) AS yes
)
SELECT
    least(count(*), %(cap)s),
    coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8
FROM (
    (
        SELECT created_at FROM head WHERE NOT (SELECT yes FROM inside)
    )
    UNION ALL
    (
        SELECT created_at FROM outbox_event
        WHERE (SELECT yes FROM inside)
            AND id > %(last_id)s
            AND NOT pg_visible_in_snapshot(xid, %(prev)s::pg_snapshot)
        ORDER BY id LIMIT %(cap)s
    )
    UNION ALL
    (
        SELECT e.created_at
        FROM unnest(%(ended)s::xid8[]) AS late (xid)
        JOIN outbox_event AS e ON e.xid <= late.xid AND (e.xid, e.id) > (late.xid, %(last_id)s)
        WHERE NOT (SELECT yes FROM inside)
        LIMIT %(cap)s
    )
    UNION ALL
    (
        SELECT created_at FROM outbox_event
        WHERE xid = ANY (%(open)s::xid8[])
            AND CASE
                WHEN (SELECT yes FROM inside) THEN id <= %(last_id)s
                ELSE xid < %(xmax)s::xid8
            END
        LIMIT %(cap)s
    )
) AS unpublished
