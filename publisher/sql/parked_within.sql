-- Where rows lie that were not visible when something was set aside. Minimum, maximum and count
-- stand together, so that the planner takes the index on transactions (see bounds.sql).
SELECT coalesce(min(id) - 1, 0), coalesce(max(id), 0), count(*)
FROM outbox_event
WHERE xid >= %(xmin)s::xid8
    AND id + 0 > %(after)s
    AND pg_visible_in_snapshot(xid, %(now)s::pg_snapshot)
    AND NOT pg_visible_in_snapshot(xid, %(prev)s::pg_snapshot)
