"""The Developer API of IDaaS: handing credentials to agents (PAM).

Begin at `endpoint`, which authorizes; each operation is a function of the caller's token and the members.
"""

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.developer_api import cloud_role_operations
from sandbox.developer_api.cloud_role_operations import CloudRoleOperations
from sandbox.developer_api.endpoint import Endpoint, PublicEndpoint
from sandbox.developer_api.jwt_operations import MANAGE, OBTAIN, READ, JwtOperations
from sandbox.developer_api.oauth_operations import OAuthOperations
from sandbox.developer_api.obtain_credential import PERMISSION, ObtainCredential
from sandbox.faults.failing_service import observed
from sandbox.state.cloud import Cloud

_TOKENS = "/v2/{instance}/authenticationTokens"


def application(cloud: Cloud) -> ASGIApp:
    """Serves the operations below `/v2/{instance}/`. Faults are those of `developer_api`."""
    obtain = Endpoint(cloud, "ObtainCredential", PERMISSION, ObtainCredential(cloud).perform)
    routes = [Route("/v2/{instance}/credentials/_/actions/obtain", obtain.answer)]
    routes += [*_of_jwts(cloud), *_of_cloud_roles(cloud), *_of_oauth(cloud)]
    return observed(Starlette(routes=routes), cloud, "developer_api")


def _of_jwts(cloud: Cloud) -> list[Route]:
    jwts = JwtOperations(cloud)
    revoke, reinstate = "RevokeAuthenticationToken", "ReinstateAuthenticationToken"
    by_consumer = jwts.mark_by_consumer
    endpoints: dict[str, Endpoint | PublicEndpoint] = {
        "generateJwt": Endpoint(cloud, "GenerateJwtAuthenticationToken", OBTAIN, jwts.generate),
        "obtainJwt": Endpoint(cloud, "ObtainJwtAuthenticationToken", OBTAIN, jwts.obtain),
        "obtainJwtByDerivedShortToken": PublicEndpoint(
            cloud, "ObtainJwtAuthenticationTokenByDerivedShortToken", jwts.obtain_by_short_token
        ),
        "validate": PublicEndpoint(cloud, "ValidateAuthenticationToken", jwts.validate),
        "revoke": Endpoint(cloud, revoke, MANAGE, jwts.mark(revoked=True)),
        "reinstate": Endpoint(cloud, reinstate, MANAGE, jwts.mark(revoked=False)),
        "revokeByConsumer": Endpoint(cloud, f"{revoke}ByConsumer", MANAGE, by_consumer(revoked=True)),
        "reinstateByConsumer": Endpoint(cloud, f"{reinstate}ByConsumer", MANAGE, by_consumer(revoked=False)),
    }
    listing = Endpoint(cloud, "ListAuthenticationTokens", READ, jwts.list)
    return [
        Route(_TOKENS, listing.answer),
        *(
            Route(f"{_TOKENS}/_/actions/{name}", endpoint.answer, methods=["POST"])
            for name, endpoint in endpoints.items()
        ),
    ]


def _of_cloud_roles(cloud: Cloud) -> list[Route]:
    roles, permission = CloudRoleOperations(cloud), cloud_role_operations.OBTAIN
    action = "ObtainCloudAccountRoleAccessCredential"
    obtain = Endpoint(cloud, action, permission, roles.obtain)
    listing = Endpoint(cloud, "ListAssumableCloudAccountRoles", permission, roles.list_assumable)
    path = "/v2/{instance}/cloudAccountRoles/_/actions"
    return [
        Route(f"{path}/obtainAccessCredential", obtain.answer),
        Route(f"{path}/listAssumableCloudAccountRoles", listing.answer),
    ]


def _of_oauth(cloud: Cloud) -> list[Route]:
    operations = OAuthOperations(cloud)
    fetch = Endpoint(cloud, "FetchOAuthAuthenticationToken", OBTAIN, operations.fetch)
    session = Endpoint(cloud, "GetOAuthAuthorizationSession", OBTAIN, operations.session)
    sessions = "/v2/{instance}/oauthAuthorizationSessions/_/actions/get"
    return [
        Route(f"{_TOKENS}/_/actions/fetchOAuthAccessToken", fetch.answer, methods=["POST"]),
        Route(sessions, session.answer, methods=["POST"]),
    ]
