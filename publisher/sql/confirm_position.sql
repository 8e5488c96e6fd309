-- The lock leaves no new version of the row, but gives this transaction a number and something to
-- write. Its commit waits for the disk, and after a crash all numbers are higher: also than those
-- of transactions, and of savepoints, that left nothing there.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint
FROM outbox_position WHERE name = %(name)s AND epoch = %(epoch)s FOR NO KEY UPDATE
