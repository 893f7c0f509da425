"""A carrying request has its credentials for a transport, and for nothing that copies it."""

import pickle
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import httpx2
import pytest

from identity.credentials.carried_request import _is_kept, carry
from identity.credentials.placement import BEARER, Placement
from identity.credentials.signed_request import SIGNED_REQUEST, StsCredential
from identity.secrets.secret import Secret

URL = "https://service.example.com/api?days=1"
CANARY = "canary-secret"

pytestmark = pytest.mark.promise("no-secret-leaves")


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


def carrying(library: ModuleType, placement: Any = BEARER, **options: Any) -> Any:
    request = library.Request("POST", URL, **options)
    carry(request, lambda copied: placement.attach(copied, Secret(CANARY)))
    return request


def sent(request: Any) -> str:
    """What a transport reads."""
    return f"{request.url.raw_path!r} {request.headers.raw} {request.extensions}"


PLACEMENTS = [BEARER, Placement("X-API-Key"), Placement(query="key")]


@pytest.mark.parametrize("placement", PLACEMENTS, ids=str)
def test_transport_reads_what_a_copy_lacks(library: ModuleType, placement: Placement) -> None:
    request = carrying(library, placement, json={"days": 1}, headers={"X-Own": "kept"})
    assert CANARY in sent(request)
    copy = library.Request(
        request.method, request.url, headers=request.headers, extensions=request.extensions
    )
    assert CANARY not in sent(copy)
    assert copy.headers["x-own"] == "kept"
    assert str(request.url) == URL
    assert request.read() == b'{"days":1}'


@pytest.mark.parametrize("placement", PLACEMENTS, ids=str)
def test_nothing_that_is_shown_or_stored_has_it(library: ModuleType, placement: Placement) -> None:
    request = carrying(library, placement)
    shown = f"{request!r} {request.url!r} {request.headers!r} {dict(request.headers)} {vars(request)}"
    assert CANARY not in shown
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(request)


def test_another_credential_replaces_the_first(library: ModuleType) -> None:
    request = carrying(library)
    carry(request, lambda copied: BEARER.attach(copied, Secret("second")))
    values = [value for name, value in request.headers.raw if name.lower() == b"authorization"]
    assert values == [b"Bearer second"]


def test_header_that_is_set_again_is_the_new_one(library: ModuleType) -> None:
    request = carrying(library, headers={"X-Own": "first"})
    request.headers["X-Own"] = "second"
    request.headers["Authorization"] = "Basic own"
    assert request.headers["authorization"] == "Basic own"
    del request.headers["X-Own"]
    assert "x-own" not in request.headers
    assert CANARY not in sent(request)


def test_signature_and_its_security_token_are_carried(library: ModuleType) -> None:
    packed = StsCredential("key-id", Secret("key-secret"), Secret(CANARY)).packed()
    request = library.Request("POST", URL, content=b"{}")
    carry(request, lambda copied: SIGNED_REQUEST.attach(copied, packed))
    assert CANARY in sent(request)
    assert request.headers["authorization"].startswith("ACS3-HMAC-SHA256")
    assert CANARY not in str(library.Headers(request.headers))
    assert "x-acs-date" not in library.Headers(request.headers)


class _Copying(httpx.Client):
    """A version of the library that copies raw headers when it follows a redirect."""

    def _redirect_headers(self, request: httpx.Request, *_: Any) -> httpx.Headers:
        return httpx.Headers(request.headers.raw)


@pytest.mark.parametrize(("client", "kept"), [(httpx.Client, True), (_Copying, False)])
def test_version_that_copies_what_is_carried_is_noticed(client: type, kept: bool) -> None:
    members = {name: getattr(httpx, name) for name in ("Request", "Response", "MockTransport")}
    library = SimpleNamespace(__name__="httpx", Client=client, **members)
    assert _is_kept.__wrapped__(library) is kept


def test_trial_of_the_library_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    assert _is_kept.__wrapped__(httpx)
    assert caplog.records == []
