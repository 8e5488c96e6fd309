-- Only while the session is as it was seen: the process may have woken up meanwhile.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE pid = %(pid)s AND backend_start = %(since)s AND state_change = %(beat)s
