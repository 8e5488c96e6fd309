-- Of what is set aside, all from its first row on is unpublished, and so is all that the position
-- just moved does not see. The first row is the one that was met first: one of a lower id, whose
-- transaction ended later, is found while the old snapshots still tell.
UPDATE outbox_parked AS p SET
    prev = '1:1:',
    now = %(prev)s::pg_snapshot,
    last_id = (
        SELECT least(p.row_id, min(e.id)) - 1
        FROM (
            SELECT id, xid, topic, key FROM outbox_event
            WHERE id > p.last_id AND id < p.row_id
            UNION ALL
            SELECT id, xid, topic, key FROM outbox_event
            WHERE xid >= pg_snapshot_xmin(coalesce(p.now, p.prev)) AND id + 0 < p.row_id
        ) AS e
        WHERE e.topic = p.topic
            AND (p.key IS NULL OR e.key = p.key)
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
    ),
    until_prev = NULL,
    until_now = NULL,
    until_last_id = NULL,
    cursor = 0
WHERE p.publisher = %(name)s
