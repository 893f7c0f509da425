"""The databases of conversations: a seam of two methods, SQLite and PostgreSQL behind it, and their tables.

May import nothing else of `agent.conversations`.
Begin at `database`, where a transaction is described without I/O; `sqlite_database` and `postgres_database`
run it.
"""
