"""The address of a service over HTTP: which requests are its own, and the errors of those that fail."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from identity.credentials.requirement import CredentialRequirement
from identity.errors import ErrorCode, ServiceError
from identity.transport.body import EncodedResponseError, ResponseTooLargeError
from identity.transport.connection_failure import connection_failure


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The URL of a service, what its requests carry, and the code of its failures."""

    service: str
    url: str
    error_code: ErrorCode
    max_bytes: int = 256 * 1024
    max_request_bytes: int = 64 * 1024 * 1024
    carried: tuple[CredentialRequirement, ...] = ()
    lends: bool = False

    def error(self, detail: str, *, status: int | None = None, body: str = "") -> ServiceError:
        """A failure of the service, under its code."""
        return ServiceError(self.error_code, f'"{self.service}" {detail}', status=status, body=body)

    def unusable(self, detail: str) -> ServiceError:
        """The failure that there is no response, or none that can be used."""
        return self.error(f"gave no usable response: {detail}")

    def has(self, request: httpx.Request) -> bool:
        """Whether `request` goes to the URL, or below it, and nothing of it says otherwise."""
        base, url = httpx.URL(self.url), request.url
        below = url.path == base.path or url.path.startswith(f"{base.path.rstrip('/')}/")
        is_plain = not url.userinfo and ".." not in re.split(r"[/\\]", url.path)
        host = request.headers.get("host", base.netloc.decode("ascii"))
        is_addressed = host == base.netloc.decode("ascii") and "target" not in request.extensions
        return _origin(url) == _origin(base) and below and is_plain and is_addressed

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Makes failures of the connection in the block `unusable`."""
        try:
            yield
        except ExceptionGroup as group:  # see `ServiceClient._bounded`
            fault = group.exceptions[0]
        except (ResponseTooLargeError, EncodedResponseError) as error:
            fault = self.unusable(str(error))
        except httpx.TimeoutException:
            fault = self.unusable("no response within the timeout")
        except httpx.HTTPError as error:
            fault = self.unusable(connection_failure(error))
        else:
            return
        raise fault


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
