"""Discovery document, JWKS (OpenID Connect Discovery; RFC 8414; RFC 7517), description of the instance."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.addresses import INSTANCE
from sandbox.state.cloud import Cloud


def routes(cloud: Cloud, issuer_path: str) -> list[Route]:
    """The documents, the same for all clients. Counted are `idaas:discovery` and `idaas:jwks`."""

    async def discovery(_: Request) -> Response:
        cloud.counters.count("idaas", "discovery")
        return JSONResponse(_metadata(cloud))

    async def jwks(_: Request) -> Response:
        cloud.counters.count("idaas", "jwks")
        return JSONResponse(cloud.jwks())

    async def instance(_: Request) -> Response:
        endpoint = {"internet": cloud.addresses.developer_api}
        issuer = {"default_authorization_server_issuer": cloud.addresses.issuer}
        return JSONResponse({"instance_id": INSTANCE, **issuer, "developer_api_endpoint": endpoint})

    return [
        Route("/.well-known/cloud-idaas-configuration", instance),
        Route(f"{issuer_path}/jwks", jwks),
        Route(f"{issuer_path}/.well-known/openid-configuration", discovery),
    ]


def _metadata(cloud: Cloud) -> dict[str, object]:
    """The endpoints and abilities of this server: no device code or revocation."""
    addresses = cloud.addresses
    return {
        "issuer": addresses.issuer,
        "authorization_endpoint": addresses.authorize,
        "token_endpoint": addresses.token_endpoint,
        "jwks_uri": addresses.jwks,
        "end_session_endpoint": addresses.logout,
        "response_types_supported": ["code", "token", "id_token", "id_token token"],
        "response_modes_supported": ["query", "fragment"],
        "grant_types_supported": [
            *("client_credentials", "authorization_code", "refresh_token", "implicit"),
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ],
        "token_endpoint_auth_methods_supported": [
            *("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none")
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": ["openid", "profile"],
        "claims_supported": [*("iss", "sub", "aud", "exp", "iat", "scope", "name", "preferred_username")],
        "request_uri_parameter_supported": False,
    }
