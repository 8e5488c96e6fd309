UPDATE outbox_position SET
    prev = %(prev)s::pg_snapshot,
    now = %(now)s::pg_snapshot,
    last_id = %(last_id)s,
    keeper = %(keeper)s,
    updated_at = clock_timestamp()
WHERE name = %(name)s AND epoch = %(epoch)s
