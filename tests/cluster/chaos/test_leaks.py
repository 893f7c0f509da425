"""The search for leaks finds what is stored, also as bytes, and notices that it has not searched."""

import psycopg

from cluster.chaos.leaks import dumped, found_leaks
from tests.conftest import Sandbox
from tests.databases.postgres_process import PostgresProcess


def test_text_that_is_stored_as_bytes_is_found_in_the_dump(postgres: PostgresProcess) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (body BYTEA, title TEXT)")
        connection.execute("INSERT INTO kept VALUES (%s, %s)", (b"a secret in bytes", "a secret in text"))
        dump = dumped(postgres)
        connection.execute("DROP TABLE kept")
    assert "a secret in bytes" in dump
    assert "a secret in text" in dump


def test_token_and_secret_are_found_in_the_place_that_contains_them(sandbox: Sandbox) -> None:
    token = sandbox.access_token("alice")
    places = [("a log", f"Bearer {token}"), ("a table", "sealed under seal-key; And now?"), ("Redis", "")]
    found = found_leaks(sandbox.running, [token], {"the key": "seal-key"}, places, "And now?")
    assert found == [
        "a log contains the user's token 0",
        "a log contains a token",
        "a table contains the key",
    ]


def test_search_of_other_texts_than_what_people_have_sent_is_noticed(sandbox: Sandbox) -> None:
    (found,) = found_leaks(sandbox.running, [], {}, [("a log", "started")], "And now?")
    assert "nothing was searched" in found


def test_any_token_of_many_is_found(sandbox: Sandbox) -> None:
    tokens = [sandbox.access_token("alice", jti=str(number)) for number in range(81)]
    for token in (tokens[0], tokens[40], tokens[80]):
        assert found_leaks(sandbox.running, tokens, {}, [("a log", f"And now? {token}")], "And now?")
