"""An operation of the Developer API that obtains a credential from the store of IDaaS (PAM)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from identity.credentials.issuer import IssuedCredential
from identity.errors import ErrorCode


@dataclass(frozen=True, slots=True)
class StoreOperation:
    """The request of an operation, and how its response is read.

    `path` is below that of the instance. With `body` it is a POST of JSON, else a GET. `read` gets the
    response's members and the time of the request, in unix seconds; it raises `ValueError`, whose text
    contains no value of the response, if the credential cannot be used. `about` names the credential to
    operators, and `error_code` is the code of a refusal.
    """

    action: str
    path: str
    about: str
    error_code: ErrorCode
    read: Callable[[Mapping[str, Any], float], IssuedCredential]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
