INSERT INTO outbox_request (publisher, verb, parked_id, row_id)
VALUES (%(name)s, %(verb)s, %(number)s, %(row)s)
RETURNING id
