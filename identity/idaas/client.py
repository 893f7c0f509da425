"""Obtains credentials from IDaaS for the broker, each with one request. Nothing is cached here.

Each request has the same members as that of the vendor's SDKs (`cloud-idaas-core`, `cloud-idaas-pam-client`).
"""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from email.utils import formatdate
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import httpx

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import AccessTokenRequirement, CredentialRequirement
from identity.error_codes import IdentityCode
from identity.errors import (
    CredentialError,
    PrerequisiteRefusedError,
    RequirementRefusedError,
    UnreachableError,
)
from identity.idaas.client_authentication.method import USER_AGENT, Grant, TokenRequest
from identity.idaas.configuration import SdkConfiguration
from identity.idaas.credential_store import StoreOperation, store_operation
from identity.idaas.token_response import (
    client_is_refused,
    exchange_error_code,
    is_of_subject,
    read_issued_token,
    read_refusal,
    token_members,
)
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from identity.strict_json import read_object
from identity.transport.bounded_response import Response, TransportFailure
from identity.transport.retry import RetryPolicy, retry_after

_LOG = logging.getLogger("idaas_agent.client_authentication")
_MAX_CONCURRENT_REQUESTS = 32
"""Further requests wait in order of arrival. Without this limit, many new users at once would open a
connection each; and the time that the pool takes for each request of its own queue grows with the queue."""

PAM_TOKEN: Final = AccessTokenRequirement("urn:cloud:idaas:pam|.all")
"""The access token that may obtain credentials from the store of IDaaS (PAM)."""


@dataclass(eq=False, repr=False, slots=True)
class IDaaSClient:
    """A `CredentialIssuer`: requests tokens and keys from IDaaS, with the agent's client authentication.

    The timeouts of a request are those of the configuration's `httpConfiguration`; `retries` bounds a call
    with all its attempts. A call raises `CredentialError` if IDaaS refuses, and `UnreachableError`
    (`idaas_unreachable`) if there is no usable response. Of the texts in a response, only the error code and
    the request id get into an error.

    `http` must verify certificates; its owner closes it. For one event loop.
    """

    configuration: SdkConfiguration
    http: httpx.AsyncClient
    _: KW_ONLY
    clock: Callable[[], float] = time.time
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    _semaphore: asyncio.Semaphore = field(init=False)
    _timeout: httpx.Timeout = field(init=False)

    def __post_init__(self) -> None:
        self._semaphore = asyncio.Semaphore(_MAX_CONCURRENT_REQUESTS)
        # The wait for a free connection of `http` is bounded by the read timeout too.
        configured = self.configuration
        self._timeout = httpx.Timeout(configured.read_timeout, connect=configured.connect_timeout)

    def prerequisite(self, requirement: CredentialRequirement) -> CredentialRequirement | None:
        """`PAM_TOKEN` for a credential of the store."""
        return None if isinstance(requirement, AccessTokenRequirement) else PAM_TOKEN

    async def issue(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,
        prerequisite: Secret | None,
    ) -> IssuedCredential:
        """See `CredentialIssuer`: `client_credentials` under Machine, token exchange under Human identity.

        Raises `TypeError` if the caller or the prerequisite is missing.
        """
        if access_identity is AccessIdentity.HUMAN and caller is None:
            raise TypeError("under Human identity there must be a caller")
        user = caller if access_identity is AccessIdentity.HUMAN else None
        if isinstance(requirement, AccessTokenRequirement):
            return await self.token(requirement.scope, None if user is None else user.token)
        if prerequisite is None:
            raise TypeError("a credential of the store requires a token for the credential store")
        subject = None if user is None else user.principal.subject
        return await self.obtain(prerequisite, requirement, subject)

    async def token(self, scope: str, subject_token: Secret | None = None) -> IssuedCredential:
        """An access token for `scope`, in the form `audience|permission`: the agent's own (RFC 6749, section
        4.4) or, in exchange for `subject_token`, the user's (RFC 8693, section 2.1).

        IDaaS exchanges by impersonation: the new token does not name the agent. A token whose `sub` is not
        that of `subject_token` is not accepted. A refusal has the code `client_authentication_failed`; of the
        agent's own token `machine_token_failed`; of an exchange `user_token_refused`,
        `agent_exchange_refused`, or `token_exchange_failed` if the response does not distinguish whose
        permission is missing.
        """
        requested_at = self.clock()
        grant = Grant(scope, subject_token)
        request, response = await self._authenticated(grant)
        refused_client = response.status != 200 and client_is_refused(read_refusal(response))
        if refused_client and await self._renewed(request):
            request, response = await self._authenticated(grant)
        if response.status == 200:
            try:  # without a local variable for the token in clear: error reporters show local variables
                issued = read_issued_token(
                    token_members(_json_object(response, request.server)), requested_at
                )
            except ValueError as error:
                raise _unreachable(request.server, f"the response {error}") from None
            if subject_token is not None and not is_of_subject(issued.secret, subject_token):
                detail = 'claim "sub" of the token that was issued in exchange must be the caller'
                raise CredentialError(IdentityCode.TOKEN_EXCHANGE_FAILED, detail, about=f'scope "{scope}"')
            return issued
        refusal = read_refusal(response)
        detail = f"{request.server}: {refusal}" if request.server == "OpenAPI" else str(refusal)
        if client_is_refused(refusal):
            about = f'client "{self.configuration.client_id}" by {self.configuration.authn_method}'
            raise CredentialError(IdentityCode.CLIENT_AUTHENTICATION_FAILED, detail, about=about)
        if refusal.code:
            is_exchange = subject_token is not None
            code = exchange_error_code(refusal.code) if is_exchange else IdentityCode.MACHINE_TOKEN_FAILED
            raise CredentialError(code, detail, about=f'scope "{scope}"')
        raise _unexpected_status(request.server, response)

    async def obtain(
        self, pam_token: Secret, requirement: CredentialRequirement, subject: str | None = None
    ) -> IssuedCredential:
        """A credential of the store that `pam_token` may obtain (Developer API). An API key has no expiry.

        `subject` is the user that a JWT is for; the agent itself if `None`. A refusal of the token raises
        `PrerequisiteRefusedError`, a refusal of the credential `RequirementRefusedError`, both with the code
        of the requirement. `ConsentRequiredError`: the user has to allow the access first. Raises `TypeError`
        for a kind that the store does not have.
        """
        operation = store_operation(requirement, subject or self.configuration.client_id)
        requested_at = self.clock()
        request = partial(self._store_request, pam_token, operation)
        response = _final(await self.retries.send(self.http, request, self._semaphore), "Developer API")
        code = operation.error_code
        about = operation.about
        if response.status == 200:
            try:  # without a local variable for the credential: error reporters show local variables
                return operation.read(_json_object(response, "Developer API"), requested_at)
            except ValueError as error:
                raise RequirementRefusedError(code, str(error), about=about) from None
        refusal = read_refusal(response)
        if response.status == 401:
            raise PrerequisiteRefusedError(code, f"access token refused: {refusal}", about=about)
        if refusal.code:
            raise RequirementRefusedError(code, str(refusal), about=about)
        raise _unexpected_status("Developer API", response)

    async def _authenticated(self, grant: Grant) -> tuple[TokenRequest, Response]:
        """The last request that was sent, and the final response to it."""
        configuration = self.configuration
        plain = TokenRequest.unauthenticated(grant, configuration.token_endpoint)
        sent = plain

        async def make_request() -> httpx.Request:
            nonlocal sent
            sent = await configuration.client_authentication.authenticate(plain)
            return self.http.build_request(
                "POST",
                sent.url,
                content=sent.body(),
                headers={**sent.headers, "User-Agent": USER_AGENT},
                timeout=self._timeout,
            )

        response = await self.retries.send(self.http, make_request, self._semaphore)
        return sent, _final(response, sent.server)

    async def _renewed(self, refused: TokenRequest) -> bool:
        """Whether another credential of the client can be tried in place of the refused one."""
        try:
            renewed = await self.configuration.client_authentication.renew(refused)
        except UnreachableError:
            return False
        if renewed:
            _LOG.warning("IDaaS refused the client's credential: another one is tried")
        return renewed

    async def _store_request(self, pam_token: Secret, operation: StoreOperation) -> httpx.Request:
        instance = quote(self.configuration.instance_id, safe="")
        headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {pam_token.reveal()}",
            "Date": formatdate(self.clock(), usegmt=True),
            "User-Agent": USER_AGENT,
            "x-acs-action": operation.action,
            "x-acs-signature-method": "HMAC-SHA1",  # sent by the SDK, though nothing is signed
            "x-acs-signature-nonce": uuid.uuid4().hex,
            "x-acs-signature-version": "1.0",
            "x-acs-version": "2022-02-25",
        }
        method = "GET"
        content: bytes | None = None
        if operation.body is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
            method = "POST"
            content = json.dumps(operation.body).encode()
        return self.http.build_request(
            method,
            f"{self.configuration.developer_api_endpoint}/v2/{instance}/{operation.path}",
            params=operation.query or None,
            content=content,
            headers=headers,
            timeout=self._timeout,
        )


def _final(response: Response | TransportFailure, endpoint: str) -> Response:
    """A response that is final: 200, or a refusal. Raises `UnreachableError` for a temporary failure."""
    if isinstance(response, TransportFailure):
        raise _unreachable(endpoint, response.reason)
    if response.status == 200:
        return response
    refusal = read_refusal(response)
    if response.status == 429 or response.status >= 500 or refusal.code.startswith("Throttling"):
        raise _unreachable(endpoint, str(refusal), retry_after(response.headers))
    return response


def _json_object(response: Response, endpoint: str) -> Mapping[str, Any]:
    """The JSON object of a response. A malformed body is not a refusal: a later request may succeed."""
    try:
        return read_object(response.body)
    except ValueError as error:
        raise _unreachable(endpoint, f"the response {error}") from None


def _unexpected_status(endpoint: str, response: Response) -> UnreachableError:
    """The error for a response that is not from IDaaS: from a proxy, or a wrong address."""
    return _unreachable(endpoint, f"expected status 200 or an error code, found status {response.status}")


def _unreachable(endpoint: str, detail: str, wait: float | None = None) -> UnreachableError:
    return UnreachableError(IdentityCode.IDAAS_UNREACHABLE, f"{endpoint}: {detail}", retry_after=wait)
