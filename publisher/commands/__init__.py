"""What `outbox-publisher` can do, a module for each of its words."""
