"""ECS: the metadata service of the machine on which the agent runs.

On a real machine it listens at 100.100.100.200, reachable from that machine only; here on the plain port,
for callers on this machine.
"""

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.ecs.metadata_service import MetadataService
from sandbox.faults.failing_service import observed
from sandbox.local_callers import LOOPBACK_NAMES, for_this_machine_only
from sandbox.state.cloud import Cloud

_ROLES = "/latest/meta-data/ram/security-credentials/"


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
