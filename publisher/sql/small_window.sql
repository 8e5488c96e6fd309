-- What is visible now and was not in the snapshot before, if it fits into one page. One row tells
-- the snapshot where nothing is new, and where too much is: the first rows by transaction are not
-- the first by id, so a part of them must not be published. A restored row shows though its
-- transaction id is not given yet, or is that of an open transaction: it would come at every read.
SELECT
    s.now,
    w.fits,
    w.id,
    convert_to(w.event_id::text, 'UTF8'),
    w.topic,
    w.key,
    w.type,
    w.version,
    convert_to(w.subject, 'UTF8'),
    CASE WHEN w.fits THEN w.value END,
    w.headers,
    convert_to(replace(replace(w.created_at::text, ' ', 'T'), '+00', 'Z'), 'UTF8')
FROM (SELECT pg_current_snapshot()::text AS now) AS s
LEFT JOIN (
    SELECT
        c.*,
        row_number() OVER (ORDER BY c.id) AS place,
        count(*) OVER () <= %(rows)s
            AND coalesce(sum(octet_length(c.value)) OVER (), 0) <= %(bytes)s AS fits
    FROM (
        (
            SELECT * FROM outbox_event
            WHERE xid >= %(xmax)s::xid8
                AND xid < (SELECT pg_snapshot_xmax(pg_current_snapshot()))
                AND pg_visible_in_snapshot(xid, (SELECT pg_current_snapshot()))
            ORDER BY xid LIMIT %(rows)s + 1
        )
        UNION ALL
        (
            SELECT * FROM outbox_event
            WHERE xid = ANY (%(in_progress)s::xid8[])
                AND pg_visible_in_snapshot(xid, (SELECT pg_current_snapshot()))
            LIMIT %(rows)s + 1
        )
    ) AS c
) AS w ON w.fits OR w.place = 1
ORDER BY w.id
