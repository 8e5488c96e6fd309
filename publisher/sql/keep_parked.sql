UPDATE outbox_parked SET
    row_id = %(row)s,
    reason = %(reason)s,
    prev = %(prev)s,
    now = %(now)s,
    last_id = %(last_id)s,
    until_prev = %(until_prev)s,
    until_now = %(until_now)s,
    until_last_id = %(until_last_id)s,
    cursor = %(cursor)s,
    retries = %(retries)s
WHERE id = %(id)s AND publisher = %(name)s
