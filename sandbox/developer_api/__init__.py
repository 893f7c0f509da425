"""The Developer API of IDaaS: handing credentials to agents (PAM)."""

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.cloud import Cloud
from sandbox.developer_api.obtain_credential import ObtainCredential
from sandbox.failing_service import observed


def application(cloud: Cloud) -> ASGIApp:
    """Serves `/v2/{instance}/credentials/_/actions/obtain`. Faults are those of `developer_api`."""
    obtain = ObtainCredential(cloud)
    app = Starlette(routes=[Route("/v2/{instance}/credentials/_/actions/obtain", obtain.answer)])
    return observed(app, cloud, "developer_api")
