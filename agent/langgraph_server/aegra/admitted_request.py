"""The request that the route guard has admitted on Aegra, for the auth handler and the routes.

Aegra gives its auth handler a dictionary of headers, which clients send. So the handler reads the caller from
here instead: a context variable, which only the guard sets, and which ends with the request.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from identity.access_token.verified_access_token import VerifiedAccessToken


@dataclass(slots=True)
class AdmittedRequest:
    """`authenticated`: the auth handler was called for this request. `run_admitted`: it may create a run."""

    caller: VerifiedAccessToken
    authenticated: bool = False
    run_admitted: bool = False


ADMITTED: Final[ContextVar[AdmittedRequest | None]] = ContextVar("idaas_agent_admitted_request", default=None)
