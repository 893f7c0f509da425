"""The credentials URI: a process beside the agent that gives it the execution role's credentials.

`ALIBABA_CLOUD_CREDENTIALS_URI` names it. On the plain port, for callers on this machine.
"""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.faults.failing_service import observed
from sandbox.local_callers import for_this_machine_only
from sandbox.ram.execution_role import StsCredential, utc_text
from sandbox.state.cloud import Cloud

PATH = "/ram/credentials"


def application(cloud: Cloud) -> ASGIApp:
    """Serves `/ram/credentials`. Faults are those of `credentials_uri`."""

    async def respond(request: Request) -> Response:  # noqa: ARG001 - the same for all
        cloud.counters.count("credentials_uri", "credentials")
        credential = cloud.execution_role.current("uri", cloud.settings.sts_lifetime)
        return JSONResponse(credentials_body(credential), headers={"Cache-Control": "no-store"})

    app = Starlette(routes=[Route(PATH, respond, methods=["GET"])])
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
