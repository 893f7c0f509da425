"""A Kubernetes cluster as issuer of workload tokens: its discovery document and JWKS (OIDC federation)."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.state.cloud import Cloud

PATH = "/cluster"


def application(cloud: Cloud) -> ASGIApp:
    """Serves `/cluster/.well-known/openid-configuration` and `/cluster/openid/v1/jwks`."""

    async def discovery(request: Request) -> Response:  # noqa: ARG001 - the same for all
        issuer = cloud.federation.issuer
        return JSONResponse(
            {
                "issuer": issuer,
                "jwks_uri": f"{issuer}/openid/v1/jwks",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            }
        )

    async def jwks(request: Request) -> Response:  # noqa: ARG001 - the same for all
        return JSONResponse(cloud.federation.jwks(), media_type="application/jwk-set+json")

    return Starlette(
        routes=[
            Route(f"{PATH}/.well-known/openid-configuration", discovery),
            Route(f"{PATH}/openid/v1/jwks", jwks),
        ]
    )
