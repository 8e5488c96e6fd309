-- What is set aside, with the event that stands first.
SELECT
    p.id, p.topic, p.key, p.row_id, p.reason, p.since, p.retries,
    e.event_id::text, e.type, e.version, e.subject, octet_length(e.value), e.created_at
FROM outbox_parked AS p
LEFT JOIN outbox_event AS e ON e.id = p.row_id
WHERE p.publisher = %(name)s
ORDER BY p.id
