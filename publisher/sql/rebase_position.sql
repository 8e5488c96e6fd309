-- Everything from the oldest transaction that wrote since then, or is still open, comes again.
INSERT INTO outbox_position AS p (name, epoch, system_identifier, timeline, prev)
SELECT
    %(name)s, 1, %(system_identifier)s, %(timeline)s,
    (lowest.xid::text || ':' || lowest.xid::text || ':')::pg_snapshot
FROM (
    SELECT least(
        (SELECT xid FROM outbox_event WHERE created_at >= %(since)s ORDER BY xid LIMIT 1),
        pg_snapshot_xmin(pg_current_snapshot())
    ) AS xid
) AS lowest
ON CONFLICT (name) DO UPDATE SET
    epoch = p.epoch + 1,
    system_identifier = excluded.system_identifier,
    timeline = excluded.timeline,
    prev = excluded.prev,
    now = NULL,
    last_id = NULL,
    keeper = 'database',
    updated_at = clock_timestamp()
RETURNING prev::text
