-- No timeline has this number.
UPDATE outbox_position SET timeline = 0 WHERE name = %(name)s AND epoch = %(epoch)s RETURNING true
