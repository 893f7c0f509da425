"""A storage service of Alibaba Cloud, reduced: a bucket that verifies signatures by STS credentials."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.oauth_error import new_request_id
from sandbox.openapi.acs3_signature import SignatureCheck
from sandbox.openapi.gateway import OpenApiError, RpcRequest, read_request
from sandbox.ram import StsCredential
from sandbox.state.cloud import Cloud

PATH, BUCKET = "/bucket", "reports"
OBJECTS = {
    "2026-10.txt": "October 2026: 1,204 orders, 311,000 CNY",
    "2026-11.txt": "November 2026: 988 orders, 254,500 CNY",
}
_ACTIONS = {"GetObject", "ListObjects", "PutObject"}


class Bucket:
    """The action is `x-acs-action`. Counted are `bucket:<action>`, and `bucket:expired_credential`.

    The real service signs by another algorithm (OSS V4); this one takes that of the OpenAPI, ACS3.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._signatures = SignatureCheck(cloud, cloud.cloud_roles)

    async def respond(self, request: Request) -> Response:
        """The object, the names of all objects, or OpenAPI's error body."""
        request_id = new_request_id()
        bucket, key = request.path_params["bucket"], request.path_params.get("key", "")
        try:
            call = await read_request(request, form=False)
            credential = self._signatures.verify(call)
            self._authorize(call, credential, f"{bucket}/{key}" if key else bucket)
        except OpenApiError as refusal:
            if refusal.expired:
                self._cloud.counters.expired_credential("bucket")
            body = {"Code": refusal.code, "Message": refusal.message, "RequestId": request_id}
            return JSONResponse(body, refusal.status)
        if key:
            return Response(OBJECTS[key], media_type="text/plain")
        role = self._cloud.cloud_roles.role_of(credential)
        return JSONResponse({"Role": role.name, "Objects": sorted(OBJECTS), "RequestId": request_id})

    def _authorize(self, call: RpcRequest, credential: StsCredential, resource: str) -> None:
        if call.action not in _ACTIONS:
            raise OpenApiError("InvalidAction.NotFound", "Specified api is not found.", 404)
        self._cloud.counters.count("bucket", call.action)
        role = self._cloud.cloud_roles.role_of(credential)
        if role.policy.decide(f"oss:{call.action}", f"acs:oss:*:*:{resource}") != "Allow":
            raise OpenApiError("AccessDenied", "The role may not perform this action.", 403)
        if resource != BUCKET and resource.removeprefix(f"{BUCKET}/") not in OBJECTS:
            raise OpenApiError("NoSuchKey", "The specified key does not exist.", 404)


def application(cloud: Cloud) -> ASGIApp:
    """Serves `/bucket/{bucket}` and its objects."""
    bucket = Bucket(cloud)
    return Starlette(
        routes=[
            Route(f"{PATH}/{{bucket}}", bucket.respond, methods=["GET"]),
            Route(f"{PATH}/{{bucket}}/{{key:path}}", bucket.respond, methods=["GET", "PUT", "POST"]),
        ]
    )
