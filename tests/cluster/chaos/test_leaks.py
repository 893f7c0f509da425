"""A dump of the database contains what is stored, also what is stored as bytes."""

import psycopg

from cluster.chaos.leaks import dumped
from tests.databases.postgres_process import PostgresProcess


def test_text_that_is_stored_as_bytes_is_found_in_the_dump(postgres: PostgresProcess) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (body BYTEA, title TEXT)")
        connection.execute("INSERT INTO kept VALUES (%s, %s)", (b"a secret in bytes", "a secret in text"))
        dump = dumped(postgres)
        connection.execute("DROP TABLE kept")
    assert "a secret in bytes" in dump
    assert "a secret in text" in dump
