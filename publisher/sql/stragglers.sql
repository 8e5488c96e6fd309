-- Rows of transactions that were in progress in the snapshot before. Pairs are compared because
-- only the index on transactions fits them: the primary key would lead through millions of rows
-- that are published.
SELECT
    coalesce(q.running, 0),
    q.id,
    convert_to(q.event_id::text, 'UTF8'),
    q.topic,
    q.key,
    q.type,
    q.version,
    convert_to(q.subject, 'UTF8'),
    q.value,
    q.headers,
    convert_to(replace(replace(q.created_at::text, ' ', 'T'), '+00', 'Z'), 'UTF8')
FROM (
    SELECT
        p.*,
        sum(octet_length(p.value)) OVER (ORDER BY p.id ROWS UNBOUNDED PRECEDING) AS running
    FROM (
        SELECT e.*
        FROM unnest(%(in_progress)s::xid8[]) AS late (xid)
        CROSS JOIN LATERAL (
            SELECT * FROM outbox_event
            WHERE (xid, id) > (late.xid, %(after)s) AND (xid, id) < (late.xid, %(below)s)
            ORDER BY xid, id LIMIT %(rows)s
        ) AS e
        ORDER BY e.id LIMIT %(rows)s
    ) AS p
) AS q
WHERE coalesce(q.running - coalesce(octet_length(q.value), 0), 0) < %(bytes)s
ORDER BY q.id
