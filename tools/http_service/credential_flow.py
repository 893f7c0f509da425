"""Attaches the credential of one caller to the requests of a service, and renews it once if it is refused."""

from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Final, TypeAlias

import httpx

from identity.credentials.carried_request import Attach, attach_to, carry
from identity.credentials.requirement import Credential
from identity.secrets.secret import Secret
from tools.http_service.endpoint import Endpoint
from tools.service import Access

Carry: TypeAlias = Callable[[httpx.Request, Attach], None]


class CredentialFlow:
    """The requests of one call to `endpoint`, under `access`. Each is of `httpx` or of `httpx2`."""

    def __init__(self, endpoint: Endpoint, access: Access) -> None:
        self._endpoint = endpoint
        self._access = access
        self.presented: Final[list[Secret]] = []
        """The secrets that were attached in this call."""

    def of_foreign_client(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """The flow of `httpx.Auth` for a client that is not ours: attaches the credential, and after a 401 or
        403 a renewed one to the request that is sent once more, unless its body is a stream.

        Raises the identity layer's errors, and `ServiceError` for another URL than the service's and those
        below it, and where this cannot be held: then the request is not sent. If the client follows a
        redirect to another URL, the credential does not go along.
        """
        if not self._endpoint.has(request):
            raise self._endpoint.error("has a credential for its own URL only")
        return self.requests(request, carry)

    async def requests(
        self, request: httpx.Request, carry: Carry = attach_to
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """`request` with the credential, and once more with a renewed one if the response to it refuses that.

        A refused credential is renewed also if only the next request has it.
        """
        if not self._endpoint.carried:
            yield request
            return
        is_whole = isinstance(request.stream, Iterable)  # a transport may replace the stream
        credential = await self._access.credential()
        response = yield self._attached(request, credential, carry)
        is_refused = response.status_code in (401, 403)
        if is_refused and response.request is not request and self._endpoint.has(response.request):
            request = response.request  # to which a client was redirected, without the credential
            response = yield self._attached(request, credential, carry)
        if response.status_code in (401, 403) and response.request is request:
            fresh = await self._access.renew(credential, forbidden=response.status_code == 403)
            # Of another body a part, or all, has been read.
            if fresh is not credential and is_whole:
                yield self._attached(request, fresh, carry)

    def _attached(self, request: httpx.Request, credential: Credential, carry: Carry) -> httpx.Request:
        self.presented.extend(credential.secrets)

        def attach(request: httpx.Request) -> None:
            for declared, part in zip(self._endpoint.carried, credential.parts, strict=True):
                declared.placement.attach(request, part.secret)

        try:
            carry(request, attach)
        except ValueError as error:
            raise self._endpoint.unusable(str(error)) from None
        return request
