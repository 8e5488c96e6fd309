-- Restored rows may carry transaction ids that this server has yet to reach: they would be
-- published again when its counter passes them. What is asked for is re-dated to this transaction,
-- the rest to the first one.
UPDATE outbox_event
SET xid = CASE WHEN created_at >= %(since)s THEN pg_current_xact_id() ELSE '3'::xid8 END
WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()) AND xid <> pg_current_xact_id()
