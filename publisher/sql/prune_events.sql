-- Of the next rows by id, remove those that are old enough, published by everybody and not set
-- aside. Positions, what is set aside and the rows are of one snapshot, which has to be younger
-- than the lock (see lock_retention.sql): a row that becomes visible late is in no position yet.
WITH stored AS MATERIALIZED (
    SELECT
        name, prev, now, last_id,
        -- Of another history it tells nothing: ids and transaction ids may be used again.
        system_identifier = %(system_identifier)s AND timeline = %(timeline)s AS known
    FROM outbox_position
),
ahead AS MATERIALIZED (
    SELECT
        e.id, e.xid, e.topic, e.key,
        -- Who has not published it yet; null where it is too young anyway.
        CASE WHEN e.created_at < statement_timestamp() - %(horizon)s::interval THEN
            ARRAY(
                SELECT s.name FROM stored AS s
                WHERE (
                    s.known
                    AND (
                        pg_visible_in_snapshot(e.xid, s.prev)
                        OR (e.id <= s.last_id AND pg_visible_in_snapshot(e.xid, s.now))
                    )
                ) IS NOT TRUE
            )
        END AS waits_for
    FROM (
        SELECT id, xid, topic, key, created_at FROM outbox_event
        WHERE id > %(after)s
        ORDER BY id LIMIT %(rows)s
    ) AS e
),
judged AS MATERIALIZED (
    SELECT
        a.id,
        a.waits_for,
        coalesce(a.waits_for = '{}' AND EXISTS (SELECT FROM stored), false) AS ripe,
        a.waits_for = '{}' AND EXISTS (
            SELECT FROM outbox_parked AS p
            WHERE p.topic = a.topic
                AND (p.key = a.key OR p.key IS NULL)
                AND (
                    pg_visible_in_snapshot(a.xid, p.prev)
                    OR (a.id <= p.last_id AND pg_visible_in_snapshot(a.xid, p.now))
                ) IS NOT TRUE
        ) AS parked
    FROM ahead AS a
),
removed AS (
    DELETE FROM outbox_event AS e
    USING judged AS j
    WHERE e.id > %(after)s
        AND e.id <= (SELECT max(id) FROM judged)
        AND e.id = j.id
        AND j.ripe
        AND NOT j.parked
        AND NOT %(dry_run)s
    RETURNING e.id
)
SELECT
    count(*),
    coalesce(max(id), %(after)s),
    count(*) FILTER (WHERE ripe),
    CASE
        WHEN %(dry_run)s THEN count(*) FILTER (WHERE ripe AND NOT parked)
        ELSE (SELECT count(*) FROM removed)
    END,
    count(*) FILTER (WHERE ripe AND parked),
    ARRAY(SELECT DISTINCT unnest(waits_for) FROM judged ORDER BY 1)
FROM judged
