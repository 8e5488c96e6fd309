WITH asked AS (DELETE FROM outbox_request WHERE publisher = %(name)s)
DELETE FROM outbox_parked WHERE publisher = %(name)s
