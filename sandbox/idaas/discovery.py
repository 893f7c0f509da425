"""Discovery document and JWKS (OpenID Connect Discovery; RFC 8414; RFC 7517)."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.addresses import INSTANCE
from sandbox.state.cloud import Cloud


class DiscoveryEndpoint:
    """Says where everything is, and what of it works here: no device code or revocation."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def answer(self, request: Request) -> Response:  # noqa: ARG002 - the same for everybody
        self._cloud.counters.count("idaas", "discovery")
        addresses = self._cloud.addresses
        return JSONResponse(
            {
                "issuer": addresses.issuer,
                "authorization_endpoint": addresses.authorize,
                "token_endpoint": addresses.token_endpoint,
                "jwks_uri": addresses.jwks,
                "end_session_endpoint": addresses.logout,
                "response_types_supported": ["code", "token", "id_token", "id_token token"],
                "response_modes_supported": ["query", "fragment"],
                "grant_types_supported": [
                    "client_credentials",
                    "authorization_code",
                    "refresh_token",
                    "implicit",
                    "urn:ietf:params:oauth:grant-type:token-exchange",
                ],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_basic",
                    "client_secret_post",
                    "client_secret_jwt",
                    "private_key_jwt",
                    "none",
                ],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                "scopes_supported": ["openid", "profile"],
                "claims_supported": [
                    "iss",
                    "sub",
                    "aud",
                    "exp",
                    "iat",
                    "scope",
                    "name",
                    "preferred_username",
                ],
                "request_uri_parameter_supported": False,
            }
        )


class InstanceEndpoint:
    """The instance's description of itself, for set-up tools."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def answer(self, request: Request) -> Response:  # noqa: ARG002 - the same for everybody
        addresses = self._cloud.addresses
        return JSONResponse(
            {
                "instance_id": INSTANCE,
                "default_authorization_server_issuer": addresses.issuer,
                "developer_api_endpoint": {"internet": addresses.developer_api},
            }
        )


class JwksEndpoint:
    """The keys that verify now."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def answer(self, request: Request) -> Response:  # noqa: ARG002 - the same for everybody
        self._cloud.counters.count("idaas", "jwks")
        return JSONResponse(self._cloud.jwks())
