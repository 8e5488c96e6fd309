"""A transactional outbox for Django on PostgreSQL."""
