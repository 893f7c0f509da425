"""Placeholder, to be replaced shortly."""

from starlette.applications import Starlette
from starlette.types import ASGIApp

from sandbox.cloud import Cloud


def application(cloud: Cloud) -> ASGIApp:  # noqa: ARG001  # until it serves
    """Serves nothing yet."""
    return Starlette()
