"""A collector of OpenTelemetry that accepts everything and keeps nothing: `PORT` is its argument."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def accept(request: Request) -> Response:
    """Reads the request."""
    await request.body()
    return Response(media_type="application/x-protobuf")


async def health(_: Request) -> Response:
    """The server is up."""
    return Response()


app = Starlette(routes=[Route("/health", health), Route("/v1/{signal}", accept, methods=["POST"])])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
