-- Together with the answer to the request that asked for it, if any.
WITH released AS (
    DELETE FROM outbox_parked WHERE id = %(id)s AND publisher = %(name)s
)
UPDATE outbox_request SET done_at = clock_timestamp(), outcome = %(outcome)s
WHERE id = %(request)s
