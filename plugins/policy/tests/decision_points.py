"""A decision point by AuthZEN 1.0 over HTTP, whose decisions a test writes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PATH = "/access/v1/evaluation"
Decide = Callable[[Mapping[str, Any]], object]


@dataclass
class DecisionPoint:
    """Decides by `decide`, which returns a boolean, or a whole response. It keeps what arrives."""

    decide: Decide = lambda _: True
    url: str = ""
    requests: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        """Those about calls."""
        return [given for _, given in self.requests if given["action"]["name"] != "ready"]

    async def served(self, serve: Callable[..., Awaitable[str]]) -> "DecisionPoint":
        self.url = await serve(Starlette(routes=[Route(PATH, self._evaluate, methods=["POST"])])) + PATH
        return self

    async def _evaluate(self, request: Request) -> Response:
        given = await request.json()
        self.requests.append((dict(request.headers), given))
        decided = self.decide(given)
        if isinstance(decided, Awaitable):
            decided = await decided
        return decided if isinstance(decided, Response) else JSONResponse({"decision": decided})
