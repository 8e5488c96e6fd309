-- Restored rows of transactions that this server has yet to reach, where they are set aside and
-- unpublished: they get a transaction that no position covers.
UPDATE outbox_event AS e
SET xid = pg_current_xact_id()
WHERE e.xid >= pg_snapshot_xmax(pg_current_snapshot())
    AND e.xid <> pg_current_xact_id()
    AND EXISTS (
        SELECT FROM outbox_parked AS p
        WHERE p.topic = e.topic
            AND (p.key = e.key OR p.key IS NULL)
            AND NOT pg_visible_in_snapshot(e.xid, p.prev)
            AND NOT coalesce(e.id <= p.last_id AND pg_visible_in_snapshot(e.xid, p.now), false)
            AND NOT coalesce(
                e.id <= p.cursor
                AND (
                    pg_visible_in_snapshot(e.xid, p.until_prev)
                    OR e.id <= p.until_last_id AND pg_visible_in_snapshot(e.xid, p.until_now)
                ),
                false
            )
    )
