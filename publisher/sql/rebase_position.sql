-- Put it there, and adopt the history that the database has now. A window that was on its way is
-- left: its rows that were published come again.
INSERT INTO outbox_position AS p (name, epoch, system_identifier, timeline, prev)
VALUES (%(name)s, 1, %(system_identifier)s, %(timeline)s, %(prev)s::pg_snapshot)
ON CONFLICT (name) DO UPDATE SET
    epoch = p.epoch + 1,
    system_identifier = excluded.system_identifier,
    timeline = excluded.timeline,
    prev = excluded.prev,
    now = NULL,
    last_id = NULL,
    keeper = 'rebased',
    updated_at = clock_timestamp()
