-- It waits for the disk. The snapshot may count transactions, and savepoints, that left nothing
-- there yet: a crash would take them back, and give their numbers to rows that look published. All
-- of them are lower than the number of this one, and behind it none is given again.
UPDATE outbox_position SET
    prev = %(prev)s::pg_snapshot,
    now = %(now)s::pg_snapshot,
    last_id = %(last_id)s,
    keeper = %(keeper)s,
    updated_at = clock_timestamp()
WHERE name = %(name)s AND epoch = %(epoch)s
