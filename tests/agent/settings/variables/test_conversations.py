"""The variables of conversations."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.settings.variables.conversations import ConversationVariables, SqliteFile
from identity.secrets.secret import Secret
from identity.settings.reading import variable_faults


def read(**variables: str) -> ConversationVariables:
    return ConversationVariables.model_validate(variables)


def fault(**variables: str) -> str:
    with pytest.raises(ValidationError) as caught:
        read(**variables)
    [[found]] = variable_faults(caught.value).values()
    return found


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///conversations.db", "conversations.db"),
        ("sqlite:////var/lib/agent/conversations.db", "/var/lib/agent/conversations.db"),
    ],
)
def test_url_of_conversations_names_a_file(url: str, path: str) -> None:
    found = read(conversations_url=url).conversations_url
    assert found == SqliteFile(Path(path))
    assert str(found) == url


def test_conversations_are_stored_in_a_file_unless_there_are_none() -> None:
    assert read().conversations_url == SqliteFile(Path(".idaas-agent/conversations.db"))
    assert read(conversations_url="none").conversations_url is None


@pytest.mark.parametrize(
    "url", ["conversations.db", "sqlite://conversations.db", "sqlite:///", "sqlite:///folder/", "mysql://db"]
)
def test_invalid_url_of_conversations_is_a_fault(url: str) -> None:
    assert fault(conversations_url=url).startswith("CONVERSATIONS_URL must be ")
    assert "folder" not in fault(conversations_url=url)


@pytest.mark.promise("no-secret-leaves")
def test_keys_of_conversations_are_read_from_their_file(tmp_path: Path) -> None:
    file, key = tmp_path / "keys", "A" * 43
    file.write_text(f"{key}\n{'B' * 42}A\n")
    settings = read(conversations_key_file=str(file))
    assert settings.conversations_key_file is not None
    assert len(settings.conversations_key_file.keys.by_name) == 2
    assert not settings.conversations_key_file.allows_clear
    assert key not in f"{settings!r} {settings}"


def test_line_of_the_key_file_accepts_values_in_clear(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{'A' * 43}\n clear \n{'B' * 42}A\n")
    settings = read(conversations_key_file=str(file))
    assert settings.conversations_key_file is not None
    assert settings.conversations_key_file.allows_clear
    assert len(settings.conversations_key_file.keys.by_name) == 2


@pytest.mark.parametrize("content", [None, "", "clear", "sesame", f"{'A' * 43}\n" * 3, "schlüssel"])
def test_unusable_file_of_keys_is_a_fault_without_its_content(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_text(content)
    found = fault(conversations_key_file=str(file))
    assert found.startswith("CONVERSATIONS_KEY_FILE must ")
    assert not content or content not in found


@pytest.mark.parametrize(
    ("name", "value"),
    [("conversation_days", "0"), ("conversation_days", "inf"), ("conversation_tokens", "0")],
)
def test_limit_that_cannot_be_used_is_a_fault(name: str, value: str) -> None:
    assert fault(**{name: value}).startswith(f"{name.upper()} must be ")


@pytest.mark.promise("no-secret-leaves")
def test_url_of_postgresql_is_a_secret() -> None:
    url = "postgresql://agent:postgres-password@db.example:5432/conversations?sslmode=verify-ca"
    settings = read(conversations_url=url)
    assert settings.conversations_url == Secret(url)
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "postgres-password" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://agent:postgres-password@db.example",
        "postgresql://agent:postgres-password@db.example:port/c",
        "postgresql://agent:postgres-password@[db.example/c",
        "postgresql://agent:postgres-password@db.example/c?options=-cstatement_timeout=0",
        "postgresql://agent:postgres-password@db.example/c?service=other",
        "postgresql://agent:postgres-password@db.example/c?unknown=1",
    ],
)
def test_invalid_url_of_postgresql_is_refused_and_not_repeated(url: str) -> None:
    found = fault(conversations_url=url)
    assert found.startswith("CONVERSATIONS_URL must ")
    assert "postgres-password" not in found
