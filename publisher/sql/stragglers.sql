-- Rows of transactions that were in progress in the snapshot before, through the index on
-- transactions: their ids may lie behind millions of rows that are published.
SELECT
    q.found,
    q.id,
    convert_to(q.event_id::text, 'UTF8'),
    q.topic,
    q.key,
    q.type,
    q.version,
    convert_to(q.subject, 'UTF8'),
    q.value,
    q.headers,
    convert_to(to_char(q.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'UTF8')
FROM (
    SELECT
        p.*,
        count(*) OVER () AS found,
        sum(octet_length(p.value)) OVER (ORDER BY p.id ROWS UNBOUNDED PRECEDING) AS running
    FROM (
        SELECT e.*
        FROM unnest(%(in_progress)s::xid8[]) AS late (xid)
        CROSS JOIN LATERAL (
            SELECT * FROM outbox_event
            WHERE xid = late.xid AND id > %(after)s AND id < %(below)s
            ORDER BY id LIMIT %(rows)s
        ) AS e
        ORDER BY e.id LIMIT %(rows)s
    ) AS p
) AS q
WHERE coalesce(q.running - coalesce(octet_length(q.value), 0), 0) < %(bytes)s
ORDER BY q.id
