"""The relational store: SQLite on one machine, PostgreSQL in production, one schema for both."""
