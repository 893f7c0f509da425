"""What the model may call at this moment: the tools of all services that can be used."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from graph.service_credentials import ServiceCredential
from graph.tool_calls import failure_text
from identity.errors import AgentError, ServiceError
from identity.failure_log import log_failure
from tools.service import Service, ToolSchema

logger = logging.getLogger(__name__)

_MADE = 256


@dataclass(frozen=True, slots=True)
class OfferedTools:
    """Tools in the form of the model's API, the service of each, and what to tell the model of the others.

    Many runs share one: it is not changed.
    """

    tools: list[dict[str, Any]]
    services: dict[str, str]
    notes: list[str]


class ToolCatalog:
    """Makes offers of the same services. What nobody has to be asked for is put together once."""

    def __init__(self, services: Sequence[Service], seconds: float) -> None:
        """`seconds` is how long a service may take to say what it has."""
        self._services = services
        self._seconds = seconds
        self._made: LRUCache[tuple[int, ...], tuple[list[Sequence[ToolSchema]], OfferedTools]] = LRUCache(
            _MADE
        )

    async def of(self, accesses: Mapping[str, ServiceCredential]) -> OfferedTools:
        """Asks every service for its tools, side by side.

        A service that cannot say in time is left out and the model is told why; the others are not held up by
        it. Of two tools with one name, ours goes before one that an outside server lists, which could
        otherwise draw to itself what is meant for ours; else the one of the service that comes first.
        """
        cached: list[Sequence[ToolSchema]] = []
        for service in self._services:
            tools = service.cached_tools(accesses[service.name])
            if tools is None:
                asked = (_tools(each, accesses[each.name], self._seconds) for each in self._services)
                return _offer(self._services, await asyncio.gather(*asked))
            cached.append(tools)
        key = tuple(map(id, cached))
        known = self._made.get(key)
        if known is None:  # the lists are kept, so that their ids stay theirs
            known = self._made[key] = (cached, _offer(self._services, cached))
        return known[1]


def _offer(services: Sequence[Service], found: Sequence[Sequence[ToolSchema] | AgentError]) -> OfferedTools:
    offered = OfferedTools([], {}, [])
    ours = {
        tool.name for tools in found if not isinstance(tools, AgentError) for tool in tools if not tool.listed
    }
    for service, tools in zip(services, found, strict=True):
        if isinstance(tools, AgentError):
            log_failure(tools.of(service.name, service.settings))
            offered.notes.append(
                f'The tools of the service "{service.name}" cannot be used now: '
                f"{failure_text(tools, service.name)} If the user needs them, say this."
            )
            continue
        for tool in tools:
            if tool.name in offered.services or (tool.listed and tool.name in ours):
                logger.warning('tool "%s" of "%s" is hidden by another of its name', tool.name, service.name)
                continue
            offered.services[tool.name] = service.name
            offered.tools.append(
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": dict(tool.parameters),
                    },
                }
            )
    return offered


async def _tools(
    service: Service, access: ServiceCredential, seconds: float
) -> Sequence[ToolSchema] | AgentError:
    try:
        async with asyncio.timeout(seconds):
            return await service.tools(access)
    except AgentError as error:
        return error
    except TimeoutError:
        return ServiceError(
            service.error_code, f'"{service.name}" did not list its tools within {seconds:g} s'
        )
    except Exception as error:  # noqa: BLE001 - one service's fault is no reason to fail the chat
        logger.warning('"%s" could not list its tools: %s', service.name, type(error).__name__)
        return ServiceError(service.error_code, f'"{service.name}" could not list its tools')
