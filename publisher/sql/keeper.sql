SELECT keeper FROM outbox_position WHERE name = %(name)s
