-- It stays in its history and is as old as it was: its publisher rebases it when it starts.
UPDATE outbox_position SET prev = %(prev)s::pg_snapshot, now = NULL, last_id = NULL
WHERE name = %(name)s
