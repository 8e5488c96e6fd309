-- The oldest transaction that recorded something since then or is still open: it and all above it
-- come again. And the position there is.
SELECT
    least(
        (SELECT xid FROM outbox_event WHERE created_at >= %(since)s ORDER BY xid LIMIT 1),
        pg_snapshot_xmin(pg_current_snapshot())
    )::text,
    (SELECT prev::text FROM outbox_position WHERE name = %(name)s)
