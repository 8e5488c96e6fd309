-- Every position.
SELECT
    name, epoch, prev::text, now::text, coalesce(last_id, 0),
    system_identifier, timeline, updated_at
FROM outbox_position
ORDER BY name
