-- A range of the primary key, and of it what is set aside: covered by the position of the relay,
-- and not by the one at which it was set aside. The range, not the limit, bounds the work.
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
        SELECT * FROM outbox_event
        WHERE id > %(after)s
            AND id <= %(upto)s
            AND topic = %(topic)s
            AND (%(key)s::bytea IS NULL OR key = %(key)s::bytea)
            AND (
                pg_visible_in_snapshot(xid, %(until_prev)s::pg_snapshot)
                OR id <= %(until_last_id)s
                AND pg_visible_in_snapshot(xid, %(until_now)s::pg_snapshot)
            )
            AND NOT pg_visible_in_snapshot(xid, %(prev)s::pg_snapshot)
            AND NOT coalesce(
                id <= %(last_id)s AND pg_visible_in_snapshot(xid, %(now)s::pg_snapshot), false
            )
        ORDER BY id LIMIT %(rows)s
    ) AS p
) AS q
WHERE coalesce(q.running - coalesce(octet_length(q.value), 0), 0) < %(bytes)s
ORDER BY q.id
