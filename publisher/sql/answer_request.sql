UPDATE outbox_request SET done_at = clock_timestamp(), outcome = %(outcome)s
WHERE id = %(id)s
