"""A storage service of Alibaba Cloud, reduced: a bucket that verifies signatures by STS credentials."""

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.bucket.endpoint import Bucket
from sandbox.state.cloud import Cloud

PATH = "/bucket"


def application(cloud: Cloud) -> ASGIApp:
    """Serves `/bucket/{bucket}` and its objects."""
    bucket = Bucket(cloud)
    return Starlette(
        routes=[
            Route(f"{PATH}/{{bucket}}", bucket.respond, methods=["GET"]),
            Route(f"{PATH}/{{bucket}}/{{key:path}}", bucket.respond, methods=["GET", "PUT", "POST"]),
        ]
    )
