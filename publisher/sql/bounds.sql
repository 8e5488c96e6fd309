-- Where the unpublished rows of a frozen window lie. Minimum, maximum and count stand together:
-- a minimum alone would tempt the planner to walk the primary key through all retained rows, and
-- so would a plain `id >` where statistics are missing.
SELECT fresh.first, coalesce(greatest(fresh.last, late.last), 0), fresh.rows + late.rows
FROM (
    SELECT min(id) AS first, max(id) AS last, count(*) AS rows
    FROM outbox_event
    WHERE xid >= %(xmax)s::xid8
        AND id + 0 > %(after)s
        AND pg_visible_in_snapshot(xid, %(now)s::pg_snapshot)
) AS fresh
CROSS JOIN (
    SELECT max(id) AS last, count(*) AS rows
    FROM outbox_event
    WHERE xid = ANY (%(in_progress)s::xid8[])
        AND id + 0 > %(after)s
        AND pg_visible_in_snapshot(xid, %(now)s::pg_snapshot)
) AS late
