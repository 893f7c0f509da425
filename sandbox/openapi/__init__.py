"""The OpenAPI gateway (RPC style): IDaaS's management API `eiam` and the token service `sts`.

Both share one host and are told apart by version and action. Requests are `POST /` or `GET /`.
"""

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.faults.failing_service import observed
from sandbox.openapi.assume_role_with_oidc import AssumeRoleWithOidc
from sandbox.openapi.gateway import Gateway, service_of
from sandbox.openapi.generate_oauth_token import GenerateOauthToken
from sandbox.state.cloud import Cloud


def application(cloud: Cloud) -> ASGIApp:
    """Serves `/`. Faults are those of `openapi` and `sts`."""
    gateway = Gateway(cloud, (GenerateOauthToken(cloud), AssumeRoleWithOidc(cloud)))
    app = Starlette(routes=[Route("/", gateway.respond, methods=["GET", "POST"])])
    return observed(app, cloud, service_of, error_body=_error_body)


def _error_body(status: int) -> object:
    code = "Throttling.User" if status == 429 else "ServiceUnavailable"
    return {"RequestId": "sandbox", "Code": code, "Message": f"injected fault, status {status}"}
