"""Django's own tests, with every model captured: `make test-django`.

Each test has to pass as it does without capture, but for the queries that the reference states,
and the events recorded so far, applied in order, have to give the rows.
"""
