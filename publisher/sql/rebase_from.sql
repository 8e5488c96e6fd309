-- The oldest transaction that recorded something since then or is still open: it and all above it
-- come again. And the position there is, with its window only where its numbers are of this server.
SELECT
    least(
        (SELECT xid FROM outbox_event WHERE created_at >= %(since)s ORDER BY xid LIMIT 1),
        pg_snapshot_xmin(h.here)
    )::text,
    h.here::text,
    p.prev::text,
    CASE WHEN p.system_identifier = %(system_identifier)s THEN p.now END::text,
    coalesce(p.last_id, 0)
FROM (SELECT pg_current_snapshot() AS here) AS h
LEFT JOIN outbox_position AS p ON p.name = %(name)s
