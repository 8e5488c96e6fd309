-- The lock leaves no new version of the row, and gives this transaction something to write: its
-- commit waits until the disk has all that ended before, and no crash gives a number of it again.
SELECT FROM outbox_position WHERE name = %(name)s AND epoch = %(epoch)s FOR NO KEY UPDATE
