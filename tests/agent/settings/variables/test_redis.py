"""The URL of Redis, which contains a password."""

import base64
from pathlib import Path

import pytest

from agent.settings.settings import read_settings
from identity.secrets.secret import Secret
from tests.agent.settings.conftest import faults


@pytest.mark.promise("no-secret-leaves")
def test_url_of_redis_is_a_secret(environment: dict[str, str]) -> None:
    url = "rediss://default:redis-password@redis.example:6380/3"
    settings = read_settings(environment | {"REDIS_URL": url})
    assert settings.redis_url is not None
    assert settings.redis_url.reveal() == url
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "redis-password" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "http://default:redis-password@redis.example:6379",
        "redis://default:redis-password@redis.example",
        "redis://default:redis-password@redis.example:port",
        "redis://default:redis-password@[redis.example:6379",
        "rediss://default:redis-password@redis.example:6379?ssl_cert_reqs=none",
        "redis://default:redis-password@redis.example:6379#fragment",
    ],
)
def test_invalid_url_of_redis_is_refused_and_not_repeated(environment: dict[str, str], url: str) -> None:
    error = faults(environment | {"REDIS_URL": url})
    [fault] = error.faults
    assert fault.startswith("REDIS_URL must have the form")
    assert "redis-password" not in f"{error} {error.detail}"


def key_file(folder: Path, *keys: bytes) -> str:
    file = folder / "seal-key"
    file.write_text("\n".join(base64.urlsafe_b64encode(key).decode() for key in keys))
    return str(file)


def test_keys_that_seal_callers_are_read_and_not_shown(environment: dict[str, str], tmp_path: Path) -> None:
    file = key_file(tmp_path, b"n" * 32, b"f" * 32)
    settings = read_settings(environment | {"SEAL_KEY_FILE": file, "REDIS_URL": "redis://localhost:6379"})
    assert settings.seal_key_file is not None
    assert len(settings.seal_key_file.by_name) == 2
    for shown in (repr(settings), str(settings.seal_key_file)):
        assert base64.urlsafe_b64encode(b"n" * 32).decode()[:40] not in shown


@pytest.mark.parametrize(("keys", "redis"), [((b"n" * 31,), True), ((), True), ((b"n" * 32,), False)])
def test_unusable_key_that_seals_callers_is_refused(environment, tmp_path, keys, redis):
    given = {"SEAL_KEY_FILE": key_file(tmp_path, *keys)}
    given |= {"REDIS_URL": "redis://localhost:6379"} if redis else {}
    [fault] = faults(environment | given).faults
    assert fault.startswith("SEAL_KEY_FILE ")


POSTGRESQL, REDIS = "postgresql://agent:sesame@db.example/agent", "rediss://agent:sesame@redis.example:6379"


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, "CONVERSATIONS_URL"),
        ({"CONVERSATIONS_URL": "none"}, "REDIS_URL"),
        ({"CONVERSATIONS_URL": "sqlite:////srv/agent.db", "REDIS_URL": REDIS}, "CONVERSATIONS_URL"),
    ],
)
def test_several_replicas_that_share_nothing_are_refused(environment, variables, named):
    (found,) = faults({**environment, "REPLICAS": "2", **variables}).faults
    assert found.startswith(f"{named} must be")
    assert "REPLICAS is 2" in found
    assert read_settings({**environment, "REPLICAS": "1", **variables}).replicas == 1


@pytest.mark.parametrize(
    "variables", [{"CONVERSATIONS_URL": POSTGRESQL}, {"CONVERSATIONS_URL": "none", "REDIS_URL": REDIS}]
)
def test_several_replicas_start_with_what_they_share(environment, variables):
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
    assert isinstance(settings.conversations_url, Secret)
    assert settings.conversations_url.reveal() == POSTGRESQL
    assert settings.redis_url is not None
    assert settings.redis_url.reveal() == REDIS
    assert "sesame" not in repr(settings)


@pytest.mark.parametrize("content", [None, "", "sqlite://wrong:sesame", "two words"])
def test_file_without_a_usable_address_is_a_fault_without_its_content(environment, tmp_path, content):
    if content is not None:
        (tmp_path / "url").write_text(content)
    files = dict.fromkeys(("CONVERSATIONS_URL_FILE", "REDIS_URL_FILE"), str(tmp_path / "url"))
    found = faults({**environment, **files}).faults
    assert sorted({fault.split()[0].removesuffix("_FILE") for fault in found}) == [
        *("CONVERSATIONS_URL", "REDIS_URL")
    ]
    assert "sesame" not in str(found)
