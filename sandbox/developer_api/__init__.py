"""The Developer API of IDaaS: handing credentials to agents (PAM).

Begin at `endpoint`, which authorizes; `operations` has a method for each operation.
"""

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.developer_api.endpoint import Endpoint
from sandbox.developer_api.operations import Operations
from sandbox.faults.failing_service import observed
from sandbox.state.cloud import Cloud

_TOKEN = "authentication_token:obtain"  # noqa: S105 - a permission


def application(cloud: Cloud) -> ASGIApp:
    """Serves the operations below `/v2/{instance}/`. Faults are those of `developer_api`."""
    do = Operations(cloud)
    tokens, sessions = "authenticationTokens/_/actions", "oauthAuthorizationSessions/_/actions"
    # By path: the action, the permission, the operation.
    reading = {
        "credentials/_/actions/obtain": ("ObtainCredential", "credential:obtain", do.obtain_credential),
        "cloudAccountRoles/_/actions/obtainAccessCredential": (
            *("ObtainCloudAccountRoleAccessCredential", "cloud_account_role:obtain_access_credential"),
            do.assume_role,
        ),
    }
    writing = {
        f"{tokens}/generateJwt": ("GenerateJwtAuthenticationToken", _TOKEN, do.generate_jwt),
        f"{tokens}/fetchOAuthAccessToken": ("FetchOAuthAuthenticationToken", _TOKEN, do.fetch_token),
        f"{sessions}/get": ("GetOAuthAuthorizationSession", _TOKEN, do.session),
    }
    routes = [
        Route(f"/v2/{{instance}}/{path}", Endpoint(cloud, *operation).answer, methods=[method])
        for method, operations in (("GET", reading), ("POST", writing))
        for path, operation in operations.items()
    ]
    return observed(Starlette(routes=routes), cloud, "developer_api")
