-- Positions that are to be rebased before anybody goes on from them, and a transaction that sees
-- nothing of the rows that are re-dated meanwhile.
SELECT name, prev::text, pg_snapshot_xmin(pg_current_snapshot())::text
FROM outbox_position
WHERE (system_identifier, timeline)
        IS DISTINCT FROM (%(system_identifier)s::bigint, %(timeline)s::integer)
    AND name IS DISTINCT FROM %(name)s
