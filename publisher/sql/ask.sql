INSERT INTO outbox_request (publisher, verb, parked_id)
VALUES (%(name)s, %(verb)s, %(number)s)
RETURNING id
