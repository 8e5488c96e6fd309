-- Put it there, and adopt the history that the database has now.
INSERT INTO outbox_position AS p (
    name, epoch, system_identifier, timeline, prev, now, last_id
)
VALUES (
    %(name)s, 1, %(system_identifier)s, %(timeline)s,
    %(prev)s::pg_snapshot, %(now)s::pg_snapshot, %(last_id)s
)
ON CONFLICT (name) DO UPDATE SET
    epoch = p.epoch + 1,
    system_identifier = excluded.system_identifier,
    timeline = excluded.timeline,
    prev = excluded.prev,
    now = excluded.now,
    last_id = excluded.last_id,
    keeper = 'rebased',
    updated_at = clock_timestamp()
