INSERT INTO outbox_parked (
    publisher, topic, key, row_id, reason, prev, now, last_id,
    until_prev, until_now, until_last_id, cursor
)
VALUES (
    %(name)s, %(topic)s, %(key)s, %(row)s, %(reason)s, %(prev)s, %(now)s, %(last_id)s,
    %(until_prev)s, %(until_now)s, %(until_last_id)s, %(cursor)s
)
RETURNING id
