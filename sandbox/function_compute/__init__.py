"""Function Compute: an HTTP trigger with JWT authentication in front of the company's web functions.

`/enterprise` and `/leave…` need a token that IDaaS signed with a key of the pasted JWKS
(`cloud.function_compute_jwks`; `cloud.paste_jwks()` after a rotation); `/healthz` needs none. `/echo/…`
checks the credential itself, because services of `sandbox.toml` also take API keys.
"""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.faults.failing_service import observed
from sandbox.function_compute.echo import METHODS, Echo
from sandbox.function_compute.enterprise import enterprise, health
from sandbox.function_compute.http_trigger import HttpTrigger
from sandbox.function_compute.leave import LeaveService
from sandbox.state.cloud import Cloud
from sandbox.state.signing_keys import Jwks


def application(cloud: Cloud) -> ASGIApp:
    """Serves the functions. Faults of the service `function_compute` strike before the trigger."""

    def jwks() -> Jwks:
        return cloud.function_compute_jwks

    def prefix() -> str:
        return cloud.settings.function_compute_token_prefix

    echo = Echo(cloud)
    return Starlette(
        routes=[
            Route("/enterprise", enterprise(cloud), methods=["GET", "POST"]),
            *LeaveService(cloud).routes(),
            Route("/healthz", health),
            Route("/echo/{service}", echo.answer, methods=METHODS),
            Route("/echo/{service}/{rest:path}", echo.answer, methods=METHODS),
        ],
        middleware=[
            Middleware(observed, cloud, "function_compute", error_body=_error_body),
            Middleware(HttpTrigger, jwks, prefix, cloud.counters, cloud.clock),
        ],
    )


def _error_body(status: int) -> object:
    """The general error form of Function Compute."""
    return {"errorCode": "FunctionUnhandledError", "errorMessage": f"injected fault, status {status}"}
