-- Have every writer ring from now on. One session holds the lock for all that sleep; none gets it
-- while a transaction is open that was told that nobody sleeps (see the trigger outbox_wake_up).
SELECT
    CASE
        WHEN pg_try_advisory_lock(l.key) THEN 'holds'
        WHEN pg_try_advisory_lock_shared(l.key)
        THEN CASE WHEN pg_advisory_unlock_shared(l.key) THEN 'refused' END
        ELSE 'follows'
    END
FROM (SELECT hashtextextended('outbox-publisher', 0) AS key) AS l
