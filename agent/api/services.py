"""`/services`: what people read in place of the names of services, tools and arguments; what tools change.

All of it is declared by the operator or by this project's own code, and the same for every caller. What a
server lists is not here: it may differ from user to user, and its words are its own.
"""

from typing import Final, Literal

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse
from typing_extensions import TypedDict  # pydantic makes schemas of no other before Python 3.12

from agent.api.response_models import Wire, documented
from agent.api.surface import Surface
from agent.composition.agent import Agent
from tools.http_service.service import HTTPService
from tools.service_name import service_of
from tools.titles import ServiceTitles, ToolTitles, Words


class Title(Wire):
    """A text in each language of the page."""

    en: str
    zh: str


class ShownTool(Wire):
    """A tool. `effect` is what its policy says that calls change; `unknown`: nobody has said."""

    title: Title | None
    arguments: dict[str, Title]
    effect: Literal["read", "write", "external", "unknown"]


class ShownService(Wire):
    """A service, with those of its tools that are declared, by their names in calls."""

    title: Title | None
    tools: dict[str, ShownTool]


class ShownServices(Wire):
    """The services, by their names in calls."""

    services: dict[str, ShownService]


class _Tool(TypedDict):
    title: dict[str, str] | None
    arguments: dict[str, dict[str, str]]
    effect: str


class _Service(TypedDict):
    title: dict[str, str] | None
    tools: dict[str, _Tool]


def services_shown(agent: Agent) -> dict[str, _Service]:
    """The services of `agent`. A tool is named as calls name it, with the prefix of its service."""
    shown: dict[str, _Service] = {}
    for node in agent.services:
        name = service_of(node.name)
        of_service = agent.titles.services.get(name, ServiceTitles())
        titles = of_service.tools
        names = {*node.tool_names} if isinstance(node, HTTPService) else {*titles}
        service = shown.setdefault(name, {"title": _words(of_service.title), "tools": {}})
        for tool in sorted(names):
            known = titles.get(tool, ToolTitles())
            service["tools"][tool] = {
                "title": _words(known.title),
                "arguments": {argument: words.both() for argument, words in known.arguments.items()},
                "effect": node.policy(tool).effect.value,
            }
    return shown


def services_routes(agent: Agent) -> APIRouter:
    """The route."""
    router = APIRouter()
    shown = {"services": services_shown(agent)}

    @router.get("/services", responses=documented(ShownServices))
    async def services(_: Request) -> JSONResponse:
        """The names that people read. Nothing is called for it."""
        return JSONResponse(shown)

    return router


def _words(words: Words | None) -> dict[str, str] | None:
    return None if words is None else words.both()


SERVICES: Final = Surface(name="services", routes=services_routes)
