"""The request that the route guard has admitted, for the auth handler and for what is inside of the guard.

Aegra gives its auth handler a dictionary of headers, which clients send, and `langgraph dev` a scope. The
handler reads the caller from here instead: a context variable, which only the guard sets, and which ends with
the request.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from identity.access_token.verified_access_token import VerifiedAccessToken


@dataclass(slots=True)
class AdmittedRequest:
    """One request of `caller`.

    `sealed`: other processes execute the runs, so that the caller is sealed for them. `authenticated`: the
    auth handler was called. `run`: the digest of the input of the run that the request may create
    (`sealed_callers.run_digest`); `None`: it may create none.
    """

    caller: VerifiedAccessToken
    sealed: bool = False
    authenticated: bool = False
    run: str | None = None


ADMITTED: Final[ContextVar[AdmittedRequest | None]] = ContextVar("idaas_agent_admitted_request", default=None)
