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
_ROLE = "cloud_account_role:obtain_access_credential"


def application(cloud: Cloud) -> ASGIApp:
    """Serves the operations below `/v2/{instance}/`. Faults are those of `developer_api`."""
    operations = Operations(cloud)
    table = (
        (
            "GET",
            "credentials",
            "obtain",
            "ObtainCredential",
            "credential:obtain",
            operations.obtain_credential,
        ),
        (
            "POST",
            "authenticationTokens",
            "generateJwt",
            "GenerateJwtAuthenticationToken",
            _TOKEN,
            operations.generate_jwt,
        ),
        (
            "POST",
            "authenticationTokens",
            "fetchOAuthAccessToken",
            "FetchOAuthAuthenticationToken",
            _TOKEN,
            operations.fetch_token,
        ),
        (
            "POST",
            "oauthAuthorizationSessions",
            "get",
            "GetOAuthAuthorizationSession",
            _TOKEN,
            operations.session,
        ),
        (
            "GET",
            "cloudAccountRoles",
            "obtainAccessCredential",
            "ObtainCloudAccountRoleAccessCredential",
            _ROLE,
            operations.assume_role,
        ),
    )
    routes = []
    for method, things, verb, action, permission, operation in table:
        path = f"/v2/{{instance}}/{things}/_/actions/{verb}"
        routes.append(Route(path, Endpoint(cloud, action, permission, operation).answer, methods=[method]))
    return observed(Starlette(routes=routes), cloud, "developer_api")
