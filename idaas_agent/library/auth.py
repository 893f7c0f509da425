"""How an application's own HTTP clients authenticate: for the caller of the run, or as themselves."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NoReturn

import httpx

from graph.credentials.service_credentials import ServiceRequirement
from identity.credentials.placement import BEARER, Placement
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement, CredentialRequirement
from identity.principal import AccessIdentity
from identity.transport.client import checked_url
from tools.error_codes import ToolCode
from tools.http_service.credential_flow import CredentialFlow
from tools.http_service.endpoint import Endpoint
from tools.service import Access

AccessOf = Callable[[str, ServiceRequirement], Awaitable[Access]]
"""The access of the caller for whom the code runs now to the service of a name; raises `AccessTokenError`,
and `ServiceError` if an operator has stopped it."""
AllowedNow = Callable[[str], Awaitable[None]]
"""Raises `ServiceError` if an operator has stopped the requests of a service of that name."""


def requirement(
    scope: str | None, api_key: str | None, placement: Placement | Mapping[str, str] | None
) -> CredentialRequirement:
    """The requirement that requests carry: an access token of `scope`, or the API key of that identifier.

    Raises `ValueError` unless it is one of them, and for a scope that has no audience.
    """
    if (scope is None) == (api_key is None):
        raise ValueError("a credential is either of a scope (audience|permission) or an api_key")
    placed = BEARER if placement is None else placement
    if not isinstance(placed, Placement):
        placed = Placement(**placed)
    if api_key is not None:
        return ApiKeyRequirement(api_key, placement=placed)
    required = AccessTokenRequirement(scope or "", placement=placed)
    if required.audience is None or not required.permission:
        raise ValueError('a scope must have the form "audience|permission"')
    return required


def credential_auth(
    url: str,
    credential: CredentialRequirement,
    access_identity: AccessIdentity,
    access_of: AccessOf,
    allowed: AllowedNow,
) -> "CredentialAuth":
    """An auth object for requests to `url` and below. Raises `ValueError` for a URL that is not secure, or
    has a query.
    """
    parts = httpx.URL(checked_url(url))
    if parts.query or parts.userinfo:
        raise ValueError("the URL of identity.auth must have no query and no user information")
    endpoint = Endpoint(parts.host, url, ToolCode.SERVICE_FAILED, carried=credential.parts)
    return _kind()(endpoint, ServiceRequirement(credential, access_identity), access_of, allowed)


@cache
def _kind() -> type["CredentialAuth"]:
    """The class, as one of each library: an `httpx2` client takes no `httpx.Auth`."""
    bases = [httpx.Auth]
    if find_spec("httpx2") is not None:
        bases.append(import_module("httpx2").Auth)
    return type("CredentialAuth", (CredentialAuth, *bases), {"__doc__": CredentialAuth.__doc__})


class CredentialAuth:
    """Attaches the credential of the caller for whom each request is sent, to one URL and those below it.

    A request to another URL is refused with `ServiceError`, and a redirect to one gets no credential,
    whatever header or query parameter carries it. After a 401 or 403 it is renewed once, and the request sent
    again.
    Raises `AccessTokenError` if Human identity needs a caller and there is none, and `CredentialError` and
    `UnreachableError` as IDaaS answers. For asynchronous clients.

    An operator stops its requests by the host of the URL, by the user, or with all calls: then a request is
    not sent, and `ServiceError` (`calls_stopped`) is raised, unless a governed call makes it that has begun.

    Not checked: whether several people share a session whose requests one task sends, such as one of MCP: it
    has the caller for whom the task began.
    """

    def __init__(
        self, endpoint: Endpoint, required: ServiceRequirement, access_of: AccessOf, allowed: AllowedNow
    ) -> None:
        self._endpoint = endpoint
        self._required = required
        self._access_of = access_of
        self._allowed = allowed

    @property
    def service(self) -> str:
        """The name by which an operator stops its requests: the host of the URL."""
        return self._endpoint.service

    def __repr__(self) -> str:
        identity = self._required.access_identity.value
        return f"CredentialAuth({self._endpoint.url!r}, {self._required.credential}, {identity})"

    def sync_auth_flow(self, request: Any) -> NoReturn:  # noqa: ANN401, ARG002 - of either library
        """Raises `RuntimeError`: credentials are obtained in the event loop."""
        raise RuntimeError("identity.auth needs an asynchronous client, such as httpx.AsyncClient")

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:  # noqa: ANN401 - as above
        """See the class."""
        access = await self._access_of(self._endpoint.service, self._required)
        flow = CredentialFlow(self._endpoint, access).of_foreign_client(request)
        async with aclosing(flow):
            sent = await anext(flow)
            while True:
                await self._allowed(self._endpoint.service)  # it may have waited for the credential
                response = yield sent
                try:
                    sent = await flow.asend(response)
                except StopAsyncIteration:
                    return
