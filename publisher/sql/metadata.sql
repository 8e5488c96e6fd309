SELECT schema_version, source FROM outbox_metadata WHERE id = 1
