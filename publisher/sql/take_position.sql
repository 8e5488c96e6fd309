INSERT INTO outbox_position AS p (name, epoch, system_identifier, timeline)
VALUES (%(name)s, 1, %(system_identifier)s, %(timeline)s)
ON CONFLICT (name) DO UPDATE SET
    epoch = p.epoch + 1,
    system_identifier = coalesce(p.system_identifier, excluded.system_identifier),
    timeline = coalesce(p.timeline, excluded.timeline),
    -- Who does not leave it to Kafka goes on from here, and what Kafka holds is out of date.
    keeper = CASE WHEN %(keeper)s = 'kafka' THEN p.keeper ELSE 'database' END
RETURNING
    epoch, prev::text, now::text, coalesce(last_id, 0), updated_at, keeper = 'kafka',
    system_identifier, timeline
