-- Snapshots of another history tell nothing; ids and the position just moved do. Of what is set
-- aside, all from its first row on is unpublished, and all that comes again anyway.
UPDATE outbox_parked SET
    prev = '1:1:',
    now = %(prev)s::pg_snapshot,
    last_id = row_id - 1,
    until_prev = NULL,
    until_now = NULL,
    until_last_id = NULL,
    cursor = 0
WHERE publisher = %(name)s
