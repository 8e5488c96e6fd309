-- How many rows will look published though the position does not cover them, counted up to a cap.
-- Those of transactions that this server has yet to reach are judged by when they were recorded.
SELECT count(*)
FROM (
    SELECT
    FROM outbox_event AS e
    LEFT JOIN outbox_position AS p ON p.name = %(name)s
    WHERE e.xid >= coalesce(
            (SELECT pg_snapshot_xmin(prev) FROM outbox_position WHERE name = %(name)s), '0'
        )
        AND NOT coalesce(pg_visible_in_snapshot(e.xid, p.prev), false)
        AND NOT coalesce(e.id <= p.last_id AND pg_visible_in_snapshot(e.xid, p.now), false)
        AND (
            pg_visible_in_snapshot(e.xid, %(moved)s::pg_snapshot)
            OR e.xid >= pg_snapshot_xmax(pg_current_snapshot()) AND e.created_at < %(since)s
        )
    LIMIT %(cap)s
) AS skipped
