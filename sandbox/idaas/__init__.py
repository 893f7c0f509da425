"""IDaaS (EIAM): signing in, issuing and exchanging tokens, publishing keys, with Agent ID Guard's rules.

authorize, logout       people, with a browser
token                   applications: client credentials, token exchange, authorization code, refresh token
jwks, discovery         everybody
"""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

from sandbox.faults.failing_service import observed
from sandbox.idaas import discovery
from sandbox.idaas.sign_in.authorization_code import AuthorizationCodes
from sandbox.idaas.sign_in.authorize_endpoint import AuthorizeEndpoint
from sandbox.idaas.sign_in.sessions import LogoutEndpoint, SignInSessions
from sandbox.idaas.tokens.refresh_token import RefreshTokens
from sandbox.idaas.tokens.token_endpoint import TokenEndpoint
from sandbox.state.cloud import Cloud

ISSUER_PATH = "/api/v2/iauths_system/oauth2"
LOGIN_PATH = "/login/app/common/oauth2"
SERVICES = {
    f"{ISSUER_PATH}/token": "idaas.token",
    f"{ISSUER_PATH}/jwks": "idaas.jwks",
    f"{ISSUER_PATH}/.well-known/openid-configuration": "idaas.discovery",
    f"{LOGIN_PATH}/authorize": "idaas.authorize",
}


def application(cloud: Cloud) -> ASGIApp:
    """Serves `/api/v2/iauths_system/oauth2/`, `/login/app/common/oauth2/` and the instance's description.

    Faults are those of `idaas.token`, `idaas.jwks`, `idaas.discovery` and `idaas.authorize`.
    """
    codes = AuthorizationCodes(cloud.clock, cloud.access_tokens.revoke)
    sessions = SignInSessions(cloud.settings, cloud.clock)
    refresh_tokens = RefreshTokens(cloud.clock, lambda: cloud.settings.refresh_token_lifetime)
    cloud.on_reset(codes.reset)
    cloud.on_reset(refresh_tokens.reset)
    cloud.on_reset(sessions.reset)
    app = Starlette(
        routes=[
            Route(
                f"{ISSUER_PATH}/token", TokenEndpoint(cloud, codes, refresh_tokens).answer, methods=["POST"]
            ),
            *discovery.routes(cloud, ISSUER_PATH),
            Route(
                f"{LOGIN_PATH}/authorize",
                AuthorizeEndpoint(cloud, codes, sessions).answer,
                methods=["GET", "POST"],
            ),
            Route(f"{LOGIN_PATH}/logout", LogoutEndpoint(cloud, sessions, refresh_tokens).answer),
        ],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=cloud.addresses.page_origins,
                allow_methods=["GET", "POST"],
                allow_headers=["Content-Type"],
            )
        ],
    )
    return observed(app, cloud, _service)


def _service(scope: Scope) -> str | None:
    return SERVICES.get(scope["path"])
