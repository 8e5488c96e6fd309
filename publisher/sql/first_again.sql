-- The lowest id of the rows of a window that come again. A minimum of ids as they are would tempt
-- the planner to walk the primary key (see bounds.sql).
SELECT min(id + 0)
FROM outbox_event
WHERE xid >= %(lowest)s::xid8
    AND xid < %(xmax)s::xid8
    AND pg_visible_in_snapshot(xid, %(now)s::pg_snapshot)
