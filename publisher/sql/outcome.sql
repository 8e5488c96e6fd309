SELECT outcome FROM outbox_request WHERE id = %(id)s
