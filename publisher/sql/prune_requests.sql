-- What was done long ago, at most so many at once.
WITH done AS MATERIALIZED (
    SELECT id FROM outbox_request
    WHERE done_at < statement_timestamp() - %(horizon)s::interval
    ORDER BY id LIMIT %(rows)s
),
removed AS (
    DELETE FROM outbox_request
    WHERE id IN (SELECT id FROM done) AND NOT %(dry_run)s
    RETURNING id
)
SELECT CASE WHEN %(dry_run)s THEN (SELECT count(*) FROM done) ELSE count(*) END FROM removed
