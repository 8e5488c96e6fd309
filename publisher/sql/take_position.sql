INSERT INTO outbox_position AS p (name, epoch, system_identifier, timeline)
SELECT %(name)s, 1, %(system_identifier)s::bigint, %(timeline)s::integer
FROM (
    -- A new position wants every row there is: none is removed until it is seen (see
    -- lock_retention.sql). One that exists waits for nobody.
    SELECT CASE
        WHEN NOT EXISTS (SELECT FROM outbox_position WHERE name = %(name)s)
        THEN pg_advisory_xact_lock(hashtextextended('outbox-publisher-retention', 0))
    END
) AS locked
ON CONFLICT (name) DO UPDATE SET
    epoch = p.epoch + 1,
    system_identifier = coalesce(p.system_identifier, excluded.system_identifier),
    timeline = coalesce(p.timeline, excluded.timeline),
    -- Who does not leave it to Kafka goes on from here, and what Kafka holds is out of date.
    keeper = CASE WHEN %(keeper)s = 'kafka' THEN p.keeper ELSE 'database' END
RETURNING
    epoch, prev::text, now::text, coalesce(last_id, 0), updated_at, keeper,
    (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
    system_identifier, timeline
