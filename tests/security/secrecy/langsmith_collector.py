"""A replacement for LangSmith that records the requests it receives."""

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse

_INGESTION: Final = {
    "use_multipart_endpoint": False,
    "size_limit": 100,
    "size_limit_bytes": 20_000_000,
    "scale_up_qsize_trigger": 1000,
    "scale_up_nthreads_limit": 16,
    "scale_down_nempty_trigger": 4,
}
"""Complete: if a member is missing, LangSmith's client ends its thread and sends nothing."""


class Collector:
    """The part of LangSmith's API that its client needs. Records every request."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive)
            body = (await request.body()).decode("latin-1")
            # LangGraph Server also reports the number of runs, not their content.
            if request.method != "GET" and request.url.path != "/v1/metadata/submit":
                self.sent.append(f"{request.method} {request.url.path} {body}")
            await JSONResponse({"batch_ingest_config": _INGESTION})(scope, receive, send)


def variables_of(origin: str) -> dict[str, str]:
    """Environment variables that configure LangSmith's client for the collector at `origin`."""
    return {
        f"{prefix}_{name}": value
        for prefix in ("LANGSMITH", "LANGCHAIN")
        for name, value in {
            "ENDPOINT": origin,
            "API_KEY": "none",
            "DISABLE_RUN_COMPRESSION": "true",
            "PROJECT": "watched",
        }.items()
    }
