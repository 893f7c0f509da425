"""Sources of a machine's role credentials: ECS's metadata service, and a credentials URI.

On a real machine the first listens at 100.100.100.200, reachable from that machine only; here both are on the
plain port, for callers on this machine. `ALIBABA_CLOUD_CREDENTIALS_URI` names the second.
"""

import secrets

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.faults.failing_service import observed
from sandbox.federation.instance_document import instance_identity
from sandbox.local_callers import LOOPBACK_NAMES, for_this_machine_only
from sandbox.ram import ROLE, StsCredential, utc_text
from sandbox.state.cloud import Cloud

CREDENTIALS_PATH = "/ram/credentials"
LONGEST_TOKEN = 21600
_FACTS = ("instance-id", "region-id", "zone-id", "owner-account-id")
_ROLES = "/latest/meta-data/ram/security-credentials/"


class MetadataService:
    """In hardened mode (`settings.ecs_token_required`) every request but the one for a token needs a token.

    Refusals are 403, which the vendor does not document.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._tokens: dict[str, float] = {}
        cloud.on_reset(self._tokens.clear)

    async def token(self, request: Request) -> Response:
        """A token for as many seconds as the header names. A forwarded request gets none."""
        self._cloud.counters.count("ecs_metadata", "token")
        if "x-forwarded-for" in request.headers:
            raise HTTPException(403, "forwarded requests get no token")
        seconds = request.headers.get("x-aliyun-ecs-metadata-token-ttl-seconds", "")
        if not seconds.isascii() or not seconds.isdigit() or not 1 <= int(seconds) <= LONGEST_TOKEN:
            raise HTTPException(400, f"the token's lifetime must be 1 to {LONGEST_TOKEN} seconds")
        token = secrets.token_urlsafe(32)
        self._tokens[token] = self._cloud.clock() + int(seconds)
        return PlainTextResponse(token)

    async def document(self, request: Request) -> Response:
        """The document without a signature."""
        self._admit(request, "document")
        return JSONResponse(instance_identity(self._cloud.settings.ecs_instance_id))

    async def signed_document(self, request: Request) -> Response:
        """The document with a signature, for the audience of the query if there is one."""
        self._admit(request, "pkcs7")
        return PlainTextResponse(self._cloud.federation.document(request.query_params.get("audience")))

    async def fact(self, request: Request) -> Response:
        """One fact about the machine, as text."""
        self._admit(request, "meta-data")
        name = request.path_params["name"]
        if name not in _FACTS:
            raise HTTPException(404)
        return PlainTextResponse(instance_identity(self._cloud.settings.ecs_instance_id)[name])

    async def role(self, request: Request) -> Response:
        """The name of the machine's role."""
        self._admit(request, "role")
        return PlainTextResponse(ROLE)

    async def role_credentials(self, request: Request) -> Response:
        """Temporary credentials of the role; the same again until 15 minutes before they end."""
        self._admit(request, "role_credentials")
        if request.path_params["role"] != ROLE:
            raise HTTPException(404)
        lifetime = self._cloud.settings.sts_lifetime
        credential = self._cloud.execution_role.current("ecs", lifetime)
        updated = {"LastUpdated": utc_text(credential.expires_at - lifetime)}
        return JSONResponse(credentials_body(credential) | updated)

    def _admit(self, request: Request, operation: str) -> None:
        self._cloud.counters.count("ecs_metadata", operation)
        token = request.headers.get("x-aliyun-ecs-metadata-token")
        if token is None and not self._cloud.settings.ecs_token_required:
            return
        if self._tokens.get(token or "", 0) <= self._cloud.clock():
            raise HTTPException(403, "the request needs a valid token")


def application(cloud: Cloud) -> ASGIApp:
    """Serves `/latest/`. Faults are those of `ecs_metadata`."""
    service = MetadataService(cloud)
    app = Starlette(
        routes=[
            Route("/latest/api/token", service.token, methods=["PUT"]),
            Route("/latest/dynamic/instance-identity/document", service.document, methods=["GET"]),
            Route("/latest/dynamic/instance-identity/pkcs7", service.signed_document, methods=["GET"]),
            Route(_ROLES, service.role, methods=["GET"]),
            Route(_ROLES + "{role}", service.role_credentials, methods=["GET"]),
            Route("/latest/meta-data/{name}", service.fact, methods=["GET"]),
        ]
    )
    faulty = observed(app, cloud, "ecs_metadata", error_body=lambda status: {"code": str(status)})
    return for_this_machine_only(faulty, LOOPBACK_NAMES | {"100.100.100.200"})


def credentials_uri(cloud: Cloud) -> ASGIApp:
    """Serves `/ram/credentials`. Faults are those of `credentials_uri`."""

    async def respond(request: Request) -> Response:  # noqa: ARG001 - the same for all
        cloud.counters.count("credentials_uri", "credentials")
        credential = cloud.execution_role.current("uri", cloud.settings.sts_lifetime)
        return JSONResponse(credentials_body(credential), headers={"Cache-Control": "no-store"})

    app = Starlette(routes=[Route(CREDENTIALS_PATH, respond, methods=["GET"])])
    return for_this_machine_only(observed(app, cloud, "credentials_uri"))


def credentials_body(credential: StsCredential) -> dict[str, str]:
    """The shape that the metadata service and credentials URIs share."""
    return {
        "Code": "Success",
        "AccessKeyId": credential.access_key_id,
        "AccessKeySecret": credential.access_key_secret,
        "SecurityToken": credential.security_token,
        "Expiration": utc_text(credential.expires_at),
    }
