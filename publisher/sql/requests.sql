SELECT id, verb, parked_id, row_id FROM outbox_request
WHERE publisher = %(name)s AND done_at IS NULL
ORDER BY id
