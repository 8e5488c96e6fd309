-- Not waited for on the disk: with what a crash of the server takes back, it takes an older
-- position, behind which events are repeated. A change of the keeper has to be there to stay.
UPDATE outbox_position SET
    prev = %(prev)s::pg_snapshot,
    now = %(now)s::pg_snapshot,
    last_id = %(last_id)s,
    keeper = %(keeper)s,
    updated_at = clock_timestamp()
WHERE name = %(name)s
    AND epoch = %(epoch)s
    AND (keeper <> %(keeper)s OR set_config('synchronous_commit', 'off', true) = 'off')
