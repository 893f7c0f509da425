"""The role credential in request headers: taken from verified requests, and not passed on."""

from typing import Any

import pytest

from agent.http.authentication import CALLER
from agent.http.role_headers import role_headers
from identity.errors import UnreachableError
from identity.idaas.client_authentication.role_credential import (
    ROLE_HEADERS,
    RequestHeaderRole,
    role_credential,
)
from identity.secrets.secret_file import FixedSecret

ENVIRONMENT = FixedSecret(role_credential("STS.start", "secret", "token", provider="default/env"))


def headers(name: str) -> list[tuple[bytes, bytes]]:
    values = (f"STS.{name}", f"{name}-secret", f"{name}-token")
    return [(header.encode(), value.encode()) for header, value in zip(ROLE_HEADERS, values, strict=True)]


async def seen_by_the_application(role: Any, sent: list[tuple[bytes, bytes]], **scope: Any) -> list[bytes]:
    seen: list[bytes] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(name for name, _ in scope["headers"])

    given = {"type": "http", "headers": [(b"accept", b"*/*"), *sent], **scope}
    await role_headers(application, role=role)(given, None, None)
    return seen


async def test_newest_credential_of_a_verified_request_is_taken_and_removed() -> None:
    role = RequestHeaderRole(ENVIRONMENT)
    assert (await role.current()).access_key_id == "STS.start"
    for name in ("one", "two"):
        assert await seen_by_the_application(role, headers(name), **{CALLER: "verified"}) == [b"accept"]
        assert (await role.current()).access_key_id == f"STS.{name}"
    assert (await role.current()).provider == "static_sts"


async def test_headers_of_an_unverified_request_are_removed_and_not_taken() -> None:
    role = RequestHeaderRole(ENVIRONMENT)
    assert await seen_by_the_application(role, headers("forged")) == [b"accept"]
    assert (await role.current()).access_key_id == "STS.start"


async def test_incomplete_or_malformed_headers_change_nothing() -> None:
    role = RequestHeaderRole(ENVIRONMENT)
    complete = headers("x")
    for sent in (complete[:2], complete[1:], [*complete[:2], (complete[2][0], b"with space")]):
        await seen_by_the_application(role, sent, **{CALLER: "verified"})
    assert (await role.current()).access_key_id == "STS.start"


async def test_refused_credential_is_replaced_by_the_next_requests() -> None:
    role = RequestHeaderRole(ENVIRONMENT)
    expired = await role.current()
    assert not await role.renew(expired)
    await seen_by_the_application(role, headers("next"), **{CALLER: "verified"})
    assert await role.renew(expired)


async def test_without_any_credential_the_error_is_temporary() -> None:
    with pytest.raises(UnreachableError, match="client_credential_unavailable") as caught:
        await RequestHeaderRole(None).current()
    assert "no request has brought one yet" in caught.value.detail
