"""The URL of Redis, which contains a password."""

import base64
from pathlib import Path

import pytest

from agent.settings.settings import read_settings
from tests.agent.settings.settings_faults import faults


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
def test_unusable_key_that_seals_callers_is_refused(
    environment: dict[str, str], tmp_path: Path, keys: tuple[bytes, ...], redis: bool
) -> None:
    given = {"SEAL_KEY_FILE": key_file(tmp_path, *keys)}
    given |= {"REDIS_URL": "redis://localhost:6379"} if redis else {}
    [fault] = faults(environment | given).faults
    assert fault.startswith("SEAL_KEY_FILE ")
