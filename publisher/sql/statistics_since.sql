-- Since when the server counts what it does: it begins anew where it was not shut down cleanly.
SELECT pg_stat_get_bgwriter_stat_reset_time()
