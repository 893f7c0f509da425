"""Several replicas, and the files that contain the addresses of what they share."""

from pathlib import Path

import pytest

from agent.settings.settings import read_settings
from agent.settings.variables.conversations import PostgresServer
from tests.agent.settings.settings_faults import faults

POSTGRESQL, REDIS = "postgresql://agent:sesame@db.example/agent", "rediss://agent:sesame@redis.example:6379"


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, "CONVERSATIONS_URL"),
        ({"CONVERSATIONS_URL": "none"}, "REDIS_URL"),
        ({"CONVERSATIONS_URL": "sqlite:////srv/agent.db", "REDIS_URL": REDIS}, "CONVERSATIONS_URL"),
    ],
)
def test_several_replicas_that_share_nothing_are_refused(
    environment: dict[str, str], variables: dict[str, str], named: str
) -> None:
    (found,) = faults({**environment, "REPLICAS": "2", **variables}).faults
    assert found.startswith(f"{named} must be")
    assert "REPLICAS is 2" in found
    assert read_settings({**environment, "REPLICAS": "1", **variables}).replicas == 1


@pytest.mark.parametrize(
    "variables", [{"CONVERSATIONS_URL": POSTGRESQL}, {"CONVERSATIONS_URL": "none", "REDIS_URL": REDIS}]
)
def test_several_replicas_start_with_what_they_share(
    environment: dict[str, str], variables: dict[str, str]
) -> None:
    assert read_settings({**environment, "REPLICAS": "3", **variables}).replicas == 3


def test_addresses_with_passwords_are_read_from_files(environment: dict[str, str], tmp_path: Path) -> None:
    for name, value in {"conversations-url": POSTGRESQL, "redis-url": REDIS}.items():
        (tmp_path / name).write_text(f"{value}\n")
    settings = read_settings(
        {
            **environment,
            "REPLICAS": "2",
            "CONVERSATIONS_URL": "none",  # of the image
            "CONVERSATIONS_URL_FILE": str(tmp_path / "conversations-url"),
            "REDIS_URL_FILE": str(tmp_path / "redis-url"),
        }
    )
    assert isinstance(settings.conversations_url, PostgresServer)
    assert settings.conversations_url.url.reveal() == POSTGRESQL
    assert settings.redis_url is not None
    assert settings.redis_url.reveal() == REDIS
    assert "sesame" not in repr(settings)


@pytest.mark.parametrize("content", [None, "", "sqlite://wrong:sesame", "two words"])
def test_file_without_a_usable_address_is_a_fault_without_its_content(
    environment: dict[str, str], tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "url").write_text(content)
    files = dict.fromkeys(("CONVERSATIONS_URL_FILE", "REDIS_URL_FILE"), str(tmp_path / "url"))
    found = faults({**environment, **files}).faults
    assert sorted({fault.split()[0].removesuffix("_FILE") for fault in found}) == [
        *("CONVERSATIONS_URL", "REDIS_URL")
    ]
    assert "sesame" not in str(found)
