DELETE FROM outbox_parked WHERE id = %(id)s AND publisher = %(name)s
