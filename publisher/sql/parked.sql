SELECT
    id, topic, key, row_id, reason,
    prev::text, now::text, coalesce(last_id, 0),
    until_prev::text, until_now::text, coalesce(until_last_id, 0), cursor, retries
FROM outbox_parked
WHERE publisher = %(name)s
ORDER BY id
