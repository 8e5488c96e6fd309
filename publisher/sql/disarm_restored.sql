-- Restored rows may carry transaction ids that this server has yet to reach: they would be
-- published again when its counter passes them. What is asked for, and what a position would lose
-- otherwise, is re-dated to this transaction; the rest to the first one.
UPDATE outbox_event AS e
SET xid = CASE
    WHEN e.created_at >= %(since)s::timestamptz
        OR EXISTS (
            SELECT FROM outbox_position AS p
            WHERE p.name IS DISTINCT FROM %(skips)s
                AND NOT pg_visible_in_snapshot(e.xid, p.prev)
                AND NOT coalesce(e.id <= p.last_id AND pg_visible_in_snapshot(e.xid, p.now), false)
                AND (
                    pg_visible_in_snapshot('3', p.prev)
                    OR e.id <= p.last_id
                    -- Who runs, and what Kafka keeps, may be ahead of what is stored here.
                    OR p.name <> %(name)s
                    OR p.keeper = 'kafka'
                )
        )
    THEN pg_current_xact_id()
    ELSE '3'::xid8
END
WHERE e.xid >= pg_snapshot_xmax(pg_current_snapshot()) AND e.xid <> pg_current_xact_id()
