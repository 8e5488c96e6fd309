-- Wake the publishers that sleep, once this transaction commits. Nobody sleeps while a transaction
-- is open that was told otherwise: it holds the lock until it ends, as a publisher does in its sleep.
-- The statement calls nothing that a search_path could hide.
CREATE OR REPLACE FUNCTION outbox_wake_up() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(
        pg_catalog.hashtextextended('outbox-publisher', 0)
    ) THEN
        PERFORM pg_catalog.pg_notify('outbox_publisher', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER outbox_wake_up AFTER INSERT ON outbox_event
FOR EACH STATEMENT EXECUTE FUNCTION outbox_wake_up();
