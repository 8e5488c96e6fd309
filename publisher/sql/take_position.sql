INSERT INTO outbox_position AS p (name, epoch, system_identifier, timeline)
VALUES (%(name)s, 1, %(system_identifier)s, %(timeline)s)
ON CONFLICT (name) DO UPDATE SET
    epoch = p.epoch + 1,
    system_identifier = coalesce(p.system_identifier, excluded.system_identifier),
    timeline = coalesce(p.timeline, excluded.timeline)
RETURNING
    epoch, prev::text, now::text, coalesce(last_id, 0), updated_at, system_identifier, timeline
