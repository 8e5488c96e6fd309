SELECT EXISTS (SELECT FROM outbox_position WHERE name = %(name)s AND epoch = %(epoch)s)
