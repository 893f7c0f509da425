"""Sends the three requests to IDaaS that obtain credentials. Nothing is cached here.

Each request has the same members as that of the vendor's SDKs (`cloud-idaas-core`, `cloud-idaas-pam-client`).
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx

from identity.credentials.requirement import ApiKeyRequirement
from identity.error_code import ErrorCode
from identity.error_codes import IdentityCode
from identity.errors import (
    CredentialError,
    PrerequisiteRefusedError,
    RequirementRefusedError,
    UnreachableError,
)
from identity.idaas.api_key_response import read_api_key
from identity.idaas.client_authentication.method import Grant, TokenRequest
from identity.idaas.configuration import SdkConfiguration
from identity.idaas.refusal import exchange_error_code, read_refusal
from identity.idaas.token_response import IssuedToken, read_issued_token
from identity.secret import Secret
from identity.strict_json import read_object
from identity.transport.bounded_response import Response, TransportFailure
from identity.transport.retry import RetryPolicy
from identity.transport.retry_after import retry_after

_USER_AGENT = "idaas-agent"
_FORM = "application/x-www-form-urlencoded"
_MAX_CONCURRENT_REQUESTS = 32
"""Further requests wait in order of arrival. Without this limit, many new users at once would open a
connection each; and the time that the pool takes for each request of its own queue grows with the queue."""


class IDaaSClient:
    """Requests tokens and keys from IDaaS, with the agent's client authentication.

    The timeouts of a request are those of the configuration's `httpConfiguration`; `retries` bounds a call
    with all its attempts. A call raises `CredentialError` if IDaaS refuses, and `UnreachableError`
    (`idaas_unreachable`) if there is no usable response. Of the texts in a response, only the error code and
    the request id get into an error.

    `http` must verify certificates; its owner closes it. For one event loop.
    """

    def __init__(
        self,
        configuration: SdkConfiguration,
        http: httpx.AsyncClient,
        *,
        clock: Callable[[], float] = time.time,
        retries: RetryPolicy | None = None,
    ) -> None:
        self._configuration = configuration
        self._http = http
        self._clock = clock
        self._retries = retries or RetryPolicy()
        self._semaphore = asyncio.Semaphore(_MAX_CONCURRENT_REQUESTS)
        # The wait for a free connection of `http` is bounded by the read timeout too.
        self._timeout = httpx.Timeout(configuration.read_timeout, connect=configuration.connect_timeout)

    async def machine_token(self, scope: str) -> IssuedToken:
        """An access token of the agent itself (RFC 6749, section 4.4). `scope` is `audience|permission`.

        A refusal has the code `machine_token_failed` or `client_authentication_failed`.
        """
        return await self._token(Grant(scope), IdentityCode.MACHINE_TOKEN_FAILED)

    async def exchange(self, subject_token: Secret, scope: str) -> IssuedToken:
        """An access token of the user for `scope`, in exchange for `subject_token` (RFC 8693, section 2.1).

        IDaaS issues it by impersonation: the new token does not name the agent. A refusal has the code
        `user_token_refused`, `agent_exchange_refused`, `client_authentication_failed`, or
        `token_exchange_failed` if the response does not distinguish whose permission is missing.
        """
        return await self._token(Grant(scope, subject_token), IdentityCode.TOKEN_EXCHANGE_FAILED)

    async def obtain_api_key(self, pam_token: Secret, requirement: ApiKeyRequirement) -> Secret:
        """The API key that `pam_token` may read (Developer API, `ObtainCredential`).

        A refusal of the token raises `PrerequisiteRefusedError`, a refusal of the key
        `RequirementRefusedError`, both with the code of the requirement.
        """
        response = await self._send(partial(self._api_key_request, pam_token, requirement), "Developer API")
        about = f'credential "{requirement.identifier}"'
        if response.status == 200:
            try:  # without a local variable for the key: error reporters show local variables
                return read_api_key(_json_object(response, "Developer API"), requirement.identifier)
            except ValueError as error:
                raise RequirementRefusedError(requirement.error_code, str(error), about=about) from None
        refusal = read_refusal(response)
        if response.status == 401:
            raise PrerequisiteRefusedError(
                requirement.error_code, f"access token refused: {refusal}", about=about
            )
        if refusal.code:
            raise RequirementRefusedError(requirement.error_code, str(refusal), about=about)
        raise _unexpected_status("Developer API", response)

    async def _token(self, grant: Grant, refused: ErrorCode) -> IssuedToken:
        requested_at = self._clock()
        response = await self._send(partial(self._token_request, grant), "token endpoint")
        if response.status == 200:
            try:
                return read_issued_token(_json_object(response, "token endpoint"), requested_at)
            except ValueError as error:
                detail = f"token endpoint: the response {error}"
                raise UnreachableError(IdentityCode.IDAAS_UNREACHABLE, detail) from None
        refusal = read_refusal(response)
        if refusal.code == "invalid_client" or response.status == 401:
            about = f'client "{self._configuration.client_id}"'
            raise CredentialError(IdentityCode.CLIENT_AUTHENTICATION_FAILED, str(refusal), about=about)
        if refusal.code:
            code = (
                exchange_error_code(refusal.code)
                if refused is IdentityCode.TOKEN_EXCHANGE_FAILED
                else refused
            )
            raise CredentialError(code, str(refusal), about=f'scope "{grant.scope}"')
        raise _unexpected_status("token endpoint", response)

    async def _send(self, make_request: Callable[[], Awaitable[httpx.Request]], endpoint: str) -> Response:
        """A response that is final: a success or a refusal. Otherwise raises `UnreachableError`."""
        response = await self._retries.send(self._http, make_request, self._semaphore)
        if isinstance(response, TransportFailure):
            raise UnreachableError(IdentityCode.IDAAS_UNREACHABLE, f"{endpoint}: {response.reason}")
        if response.status == 429 or response.status >= 500:
            raise UnreachableError(
                IdentityCode.IDAAS_UNREACHABLE,
                f"{endpoint}: {read_refusal(response)}",
                retry_after=retry_after(response.headers),
            )
        return response

    async def _token_request(self, grant: Grant) -> httpx.Request:
        configuration = self._configuration
        plain = TokenRequest.unauthenticated(grant, configuration.token_endpoint)
        request = await configuration.client_authentication.authenticate(plain)
        return self._http.build_request(
            "POST",
            request.url,
            content=request.body(),
            headers={"Content-Type": _FORM, **request.headers, "User-Agent": _USER_AGENT},
            timeout=self._timeout,
        )

    async def _api_key_request(self, pam_token: Secret, requirement: ApiKeyRequirement) -> httpx.Request:
        instance = quote(self._configuration.instance_id, safe="")
        return self._http.build_request(
            "GET",
            f"{self._configuration.developer_api_endpoint}/v2/{instance}/credentials/_/actions/obtain",
            params={"credentialIdentifier": requirement.identifier},
            headers={
                "Accept": "application/json",
                "Authorization": f"Bearer {pam_token.reveal()}",
                "Date": formatdate(self._clock(), usegmt=True),
                "User-Agent": _USER_AGENT,
                "x-acs-action": "ObtainCredential",
                "x-acs-signature-method": "HMAC-SHA1",  # sent by the SDK, though nothing is signed
                "x-acs-signature-nonce": uuid.uuid4().hex,
                "x-acs-signature-version": "1.0",
                "x-acs-version": "2022-02-25",
            },
            timeout=self._timeout,
        )


def _json_object(response: Response, endpoint: str) -> Mapping[str, Any]:
    """The JSON object of a response. A malformed body is not a refusal: a later request may succeed."""
    try:
        return read_object(response.body)
    except ValueError as error:
        raise UnreachableError(IdentityCode.IDAAS_UNREACHABLE, f"{endpoint}: the response {error}") from None


def _unexpected_status(endpoint: str, response: Response) -> UnreachableError:
    """The error for a response that is not from IDaaS: from a proxy, or a wrong address."""
    detail = f"{endpoint}: expected status 200 or an error code, found status {response.status}"
    return UnreachableError(IdentityCode.IDAAS_UNREACHABLE, detail)
