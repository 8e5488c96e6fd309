"""Relays outbox rows from PostgreSQL to Kafka."""
