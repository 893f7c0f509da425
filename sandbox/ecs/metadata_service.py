"""The metadata service: tokens, facts about the machine, the signed document, the role's credentials."""

import secrets

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sandbox.credentials_uri import credentials_body
from sandbox.federation.instance_document import instance_identity
from sandbox.ram.execution_role import ROLE, utc_text
from sandbox.state.cloud import Cloud

LONGEST_TOKEN = 21600
_FACTS = ("instance-id", "region-id", "zone-id", "owner-account-id")


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
