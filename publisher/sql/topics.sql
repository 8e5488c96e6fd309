SELECT name, kind, partitions FROM outbox_topic ORDER BY name
