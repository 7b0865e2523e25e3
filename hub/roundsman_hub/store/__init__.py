"""The hub's record: SQL beside its function, one module a noun. PostgreSQL 16 or newer, with TimescaleDB where it is there."""
