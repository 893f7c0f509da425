"""Model Studio's OpenAI-compatible API in front of a stand-in model that follows a script.

Begin at `endpoint`; `script` decides, by the table `script.toml`.
"""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.faults.failing_service import observed
from sandbox.model_studio.chat_request import error_body
from sandbox.model_studio.endpoint import SERVICE, Endpoint
from sandbox.state.cloud import Cloud

BASE = "/compatible-mode/v1"


def application(cloud: Cloud) -> ASGIApp:
    """Serves `/compatible-mode/v1/chat/completions` and `/models`.

    Faults: `model_studio` before the answer, `model_studio.stream` in the middle of a stream (there a
    `status` is an error event, and `drop`, `hang` and `latency` mean what they say).
    """
    endpoint = Endpoint(cloud)
    return Starlette(
        routes=[
            Route(f"{BASE}/chat/completions", endpoint.chat_completions, methods=["POST"]),
            Route(f"{BASE}/models", endpoint.models),
        ],
        middleware=[Middleware(observed, cloud, SERVICE, error_body=error_body)],
    )
